"""What runs at every forward pass stands on few things: no file format is loaded with it."""

import subprocess
import sys
from pathlib import Path

import core

# The package's public face loads everything, so it is stood in for by an empty one.
PROGRAM = """
import sys, types
core = types.ModuleType("core")
core.__path__ = [{folder!r}]
sys.modules["core"] = core
import core.forward.hooks, core.saes.columns, core.saes.dictionary, core.saes.device_cache
print(*sorted(name for name in sys.modules if name.startswith("core.")))
"""


def test_the_hooks_and_columns_load_no_file_format():
    program = PROGRAM.format(folder=str(Path(core.__file__).parent))
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "core.forward.plan" in found and "core.saes.columns" in found
    assert not [name for name in found if name.startswith(("core.saes.formats", "core.hub", "core.measures"))]
