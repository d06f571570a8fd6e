"""A real page on a free port, for the browser tests and the click benchmark.

The server has a cache folder of its own, with the demo base linked into it, so that nothing here writes into anybody's
history.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from core import ModelSpec
from core.paths import assets_folder, cache_folder
from tests.browser.serve_tiny import options, serve
from tests.forked import forked

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
# Read before any test changes the environment: where this machine keeps the demo base.
REAL_CACHE = cache_folder()


def missing() -> str | None:
    """Why these tests cannot run here, or None."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "Playwright is not installed (requirements-dev.txt)"
    if not Path(CHROMIUM).exists():
        return "there is no Chromium (Debian: apt install chromium)"
    if not (assets_folder() / "demo" / "adapter" / "adapter_model.safetensors").is_file():
        return "the demo model's weights are not in assets/demo (make demo)"
    if not list((assets_folder() / "demo").glob("saes/layer_*/sae_weights.safetensors")):
        return "the demo model's SAEs are not in assets/demo (make demo)"
    if not any((REAL_CACHE / "base").glob("*/config.json")):
        return "the demo base is not prepared (python -m core prepare)"
    return None


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def running_server(folder: Path, shared: tuple[str, ...] = ("base", "records"), **more: str) -> Iterator[str]:
    """A page on the demo, started as its users start it; yields its address. Its output is `server.log` in `folder`.

    shared: folders of this machine's cache that it may use and write to. more: further environment variables.
    """
    environment, port = _environment(folder, shared) | more, free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *options(port)]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            _wait_until_healthy(lambda: server.poll() is None, port, folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def tiny_server(folder: Path, spec: ModelSpec, prepare: Callable[[], None] | None = None, **more: str) -> Iterator[str]:
    """A page on the tests' tiny model, forked from a process that has imported everything; yields its address.

    prepare: called in that process before it serves. more: further environment variables.
    """
    environment, port = _environment(folder, ()) | {"HYDRASCOPE_MODEL": spec.name} | more, free_port()
    server = forked(serve, spec, port, environment, folder / "server.log", prepare)
    try:
        _wait_until_healthy(server.is_alive, port, folder / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.join(30)


def _environment(folder: Path, shared: tuple[str, ...]) -> dict[str, str]:
    """This process's, with a cache folder under `folder` in which `shared` of this machine's are linked."""
    cache = folder / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name in shared:
        (REAL_CACHE / name).mkdir(parents=True, exist_ok=True)
        (cache / name).symlink_to(REAL_CACHE / name)
    kept = {name: value for name, value in os.environ.items() if name != "HYDRASCOPE_MODEL"}
    return kept | {"HYDRASCOPE_CACHE": str(cache)}


def _wait_until_healthy(lives: Callable[[], bool], port: int, log: Path) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:
            time.sleep(0.1)
        assert lives(), log.read_text()
    raise AssertionError(f"the server did not start: {log.read_text()}")
