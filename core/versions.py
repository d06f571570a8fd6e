"""Which versions compute: of this program, of Python, and of the packages that can change a number's last digits.

Knows: packages by name. Does not know: where versions are kept.
"""

from __future__ import annotations

import platform
from importlib.metadata import version

from core import __version__

_PACKAGES = ("torch", "transformers")


def versions() -> dict[str, str]:
    """name → version, this program first."""
    return {
        "hydrascope": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
