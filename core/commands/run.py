"""`hydrascope run`: the pages, in a browser.

Knows: how Streamlit is started. Does not know: pages. Streamlit reads `.streamlit/config.toml` beside `app.py`,
wherever it is started. So the pages are served to this machine only, unless somebody overrides that.
"""

from __future__ import annotations

import argparse
import runpy
import sys

from core.commands.exit_codes import ExitCode
from core.commands.terminal import note
from core.paths import PROGRAM_FOLDER

SUMMARY = "start the pages on this machine, at http://localhost:8501"
EXAMPLE = "hydrascope run --server.port 9000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Everything else is passed on to Streamlit: hydrascope run --server.port 9000"


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted. In this process, so that a signal reaches Streamlit itself."""
    arguments = sys.argv
    sys.argv = ["streamlit", "run", str(PROGRAM_FOLDER / "app.py"), *options.rest]
    try:
        runpy.run_module("streamlit", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            note(end.code)
        return end.code if isinstance(end.code, int) else ExitCode.REFUSED if end.code else ExitCode.DONE
    finally:
        sys.argv = arguments
    return ExitCode.DONE
