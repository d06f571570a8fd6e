"""Where things lie: the cache folder and the shipped assets.

Knows the repository's layout and one environment variable. Creates nothing, and knows nothing of what is kept there.
"""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def cache_folder() -> Path:
    """`HYDRASCOPE_CACHE`, else `cache/files` in the repository: everything downloaded, converted or remembered."""
    # Read at each call, not at import, so that a test can point it elsewhere. An empty value counts as unset.
    chosen = os.environ.get("HYDRASCOPE_CACHE")
    return Path(chosen).expanduser().resolve() if chosen else REPOSITORY / "cache" / "files"


def assets_folder() -> Path:
    """What is shipped with the repository and never written at run time."""
    return REPOSITORY / "assets"
