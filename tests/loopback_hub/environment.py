"""How a process is pointed at a loopback hub: this one for a test's length, or one of its own.

Knows: which of huggingface_hub's constants are read from the environment at import, so that setting the environment
alone would come too late in this process. Does not know: what is served.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants, hf_api
from huggingface_hub.utils import close_session
from transformers.utils import hub as transformers_hub

from tests.loopback_hub.server import LoopbackHub

ROOT = Path(__file__).resolve().parents[2]
# What could point huggingface_hub, its token or its requests elsewhere than the test says.
CLEARED = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_TOKEN_PATH",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_XET_CACHE",
    "HF_ASSETS_CACHE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
)


def variables(hub: LoopbackHub, home: Path) -> dict[str, str]:
    return {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "*",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def pointed_at(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Until the test ends, this process is online, against `hub` only, with HF_HOME at `home` and nobody logged in.

    For core.hub.fetch, and for everything that reads HF_ENDPOINT through huggingface_hub: transformers, sae-lens.
    """
    for name in CLEARED:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables(hub, home).items():
        monkeypatch.setenv(name, value)
    for name, value in _constants(hub.endpoint, home).items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.endpoint)  # the instance behind the module's functions
    # transformers keeps one too, made at first use. Left at a hub that has closed, it tries again for 23 s each time.
    monkeypatch.setattr(transformers_hub.hf_api(), "endpoint", hub.endpoint)
    close_session()  # a client made before has proxies of the environment before


def _constants(endpoint: str, home: Path) -> dict[str, str | bool]:
    """What huggingface_hub would have read from the environment at import."""
    return {
        "ENDPOINT": endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HUGGINGFACE_HUB_CACHE": str(home / "hub"),
        "HF_XET_CACHE": str(home / "xet"),
        "HF_ASSETS_CACHE": str(home / "assets"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_STORED_TOKENS_PATH": str(home / "stored_tokens"),
        "AGENT_HARNESSES_PATH": str(home / ".agent_harnesses.json"),
    }


def read_again() -> None:
    """In a process forked after the imports: as if huggingface_hub had read the environment of now."""
    if endpoint := os.environ.get("HF_ENDPOINT"):
        for name, value in _constants(endpoint, Path(os.environ["HF_HOME"])).items():
            setattr(constants, name, value)
        hf_api.api.endpoint = transformers_hub.hf_api().endpoint = endpoint


def go_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with HF_HUB_OFFLINE=1 from the start."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def python_process(hub: LoopbackHub, code: str, home: Path, **more: str) -> subprocess.Popen[str]:
    """Start a Python of its own that runs `code` against `hub`, guarded like this one. more: further variables."""
    environment = {name: value for name, value in os.environ.items() if name not in CLEARED}
    environment |= variables(hub, home) | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | more
    guarded = f"from tests.loopback_hub.guard import only_loopback\nonly_loopback()\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", guarded],
        env=environment,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run_python(hub: LoopbackHub, code: str, home: Path, **more: str) -> str:
    """Run `code` in a Python of its own against `hub`; what it printed. AssertionError with its stderr if it failed."""
    with python_process(hub, code, home, **more) as process:
        out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out
