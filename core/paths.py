"""Where things lie: the cache folder and the shipped assets.

Knows the layout that a checkout of the repository and an installed Hydrascope share. Creates nothing, and knows nothing
of what is kept there.
"""

from pathlib import Path

from platformdirs import user_cache_path

from core import settings

#: The folder that holds core, cache, pages, assets, app.py and .streamlit: the checkout, or where they are installed.
PROGRAM_FOLDER = Path(__file__).resolve().parent.parent
#: What only a checkout has.
_CHECKOUT = "pyproject.toml"


def cache_folder() -> Path:
    """Everything downloaded, converted or remembered: HYDRASCOPE_CACHE, else `cache/files` in a checkout, else the
    user's cache folder, since an installed program must not write beside its code. Raises InputError.
    """
    chosen = settings.CACHE.read()
    if chosen is not None:
        return chosen
    if (PROGRAM_FOLDER / _CHECKOUT).is_file():
        return PROGRAM_FOLDER / "cache" / "files"
    return user_cache_path("hydrascope", appauthor=False)


def assets_folder() -> Path:
    """What is shipped with the program and never written at run time."""
    return PROGRAM_FOLDER / "assets"
