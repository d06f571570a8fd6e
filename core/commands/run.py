"""`hydrascope run`: the pages, in a browser, on a model that is made ready first where one is named.

Knows: how Streamlit is started. Does not know: pages. Streamlit reads `.streamlit/config.toml` beside `app.py`,
wherever it is started. So the pages are served to this machine only, unless somebody overrides that.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from typing import NoReturn

from core.commands.exit_codes import ExitCode
from core.commands.needs import footprint_text
from core.commands.terminal import note, progress_bar
from core.paths import PROGRAM_FOLDER
from core.settings import MODEL

SUMMARY = "start the web pages on this machine, at http://localhost:8501"
EXAMPLE = "hydrascope run --model qwen2.5-coder-1.5b-instruct"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="the model that the pages open with, a name listed by `hydrascope models`; its files are downloaded and "
        "converted first (default: HYDRASCOPE_MODEL, or demo)",
    )
    parser.epilog = "Other options are passed to Streamlit: hydrascope run --server.port 9000"


def run(options: argparse.Namespace) -> int:
    """Serve until interrupted. In this process, so that a signal reaches Streamlit itself.

    Raises UnknownModelError, DownloadError, AssetError, InputError where the named model cannot be made ready.
    """
    if options.model is not None:
        _make_ready(options.model)
        os.environ[MODEL.name] = options.model
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


def end_server(code: int) -> NoReturn:
    """End this process once a server has ended, without Python's own teardown: a thread that still answers somebody
    would be torn out of C++, which aborts the process or prints what it leaks.
    """
    from cache.engines import hold_the_device

    hold_the_device()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _make_ready(name: str) -> None:
    """Say what the model takes, then download, convert and pack its files. The first page that is opened loads it."""
    from core.models.files import make_ready
    from core.models.footprint import footprint
    from core.models.registry import find_spec

    spec = find_spec(name)
    note(f"{spec.name}\n{footprint_text(footprint(spec))}")
    with progress_bar() as progress:
        make_ready(spec, progress)
