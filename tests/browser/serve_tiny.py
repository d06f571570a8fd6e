"""Streamlit on the tests' tiny model, in a process that was forked after the imports.

Knows: how Streamlit is started, and what huggingface_hub read too early. Does not know: tests or pages.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

from core import ModelSpec
from core.models import registry
from core.paths import PROGRAM_FOLDER
from tests.loopback_hub.environment import read_again


def serve(
    spec: ModelSpec, port: int, environment: dict[str, str], log: Path, prepare: Callable[[], None] | None = None
) -> None:
    """Serve the pages with `spec` registered until the process is ended; stdout and stderr go to `log`.

    prepare: called in the process before it serves.
    """
    from streamlit.web import cli

    written = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(written, 1)
    os.dup2(written, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(PROGRAM_FOLDER)
    read_again()
    registry.register(spec)
    if prepare is not None:
        prepare()
    gc.freeze()  # Streamlit collects garbage after every rerun: it need not look through every import
    sys.argv = ["streamlit", "run", "app.py", *options(port)]
    cli.main()


def options(port: int) -> list[str]:
    """What Streamlit is told of every server that tests start."""
    return ["--server.port", str(port), "--server.headless", "true", "--global.e2eTest", "true"]
