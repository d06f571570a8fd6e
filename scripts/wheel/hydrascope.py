"""What `import hydrascope` gives where Hydrascope is installed; the wheel has it as hydrascope/__init__.py.

Knows: that core, cache, pages, app.py, assets and .streamlit lie together in this folder, as in a checkout, so that no
package called “core” or “cache” lies in everybody's site-packages. hydrascope.pth (path.txt here), beside this folder, lets
`from core import load` find them; this module does the same where Python reads no .pth files, as on PYTHONPATH.
"""

import sys
from pathlib import Path

_HERE = str(Path(__file__).resolve().parent)
if _HERE not in sys.path:
    sys.path.append(_HERE)


def main() -> None:
    """The command `hydrascope`."""
    from core.commands.command_line import program

    program()
