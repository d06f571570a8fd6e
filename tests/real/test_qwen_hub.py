"""Qwen2.5-Coder-1.5B-Instruct's real GGUF file over a model hub: fetched at the pinned revision, checked, converted.

The loopback hub speaks the hub's protocol and serves the makers' bytes; what is fetched and made of it, into empty
cache folders, must be what lies in this machine's cache, byte for byte. The file is one that a person handed over, or
is joined from wheels by pip.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.commands.command_line import main
from core.errors import DownloadError
from core.hashes import sha256_of
from core.models.gguf_file import checked_file, handed_over
from core.models.gguf_folder import MARKER, is_here
from core.models.gguf_models import QWEN_CODER_1_5B
from core.paths import cache_folder
from tests.loopback_hub.environment import pointed_at
from tests.loopback_hub.server import LoopbackHub

MODEL = QWEN_CODER_1_5B
pytestmark = [
    pytest.mark.real,
    pytest.mark.real_cache,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not is_here(MODEL.name), reason=f"{MODEL.name} is not here (python -m core prepare --model {MODEL.name})"
    ),
]


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    """The makers' file."""
    without_hub, folder = replace(MODEL.source, hub=None), tmp_path_factory.mktemp("official")
    given = handed_over(without_hub, cache_folder() / "wheels", without_hub.variable.read())
    try:
        return checked_file(without_hub, folder / MODEL.source.file, given)
    except DownloadError as error:
        pytest.skip(f"the GGUF file cannot be had here: {error}")


def test_prepared_from_a_hub_it_is_what_lies_in_the_cache(official, tmp_path, monkeypatch, capsys) -> None:
    source, here = MODEL.source, cache_folder() / "base" / MODEL.name
    assert source.hub is not None
    served = tmp_path / "served"
    served.mkdir()
    (served / source.hub.name).symlink_to(official)
    monkeypatch.delenv(source.variable.name, raising=False)
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    with LoopbackHub() as hub:
        assert hub.add(source.hub.repo, served, revision=source.hub.revision) == source.hub.revision
        pointed_at(hub, monkeypatch, tmp_path / "hf")
        started = time.perf_counter()
        assert main(["prepare", "--model", MODEL.name]) == 0
        seconds = time.perf_counter() - started
        delivered = hub.deliveries(source.hub.repo, source.hub.name)
    with capsys.disabled():
        print(f"fetched from the loopback hub, checked, converted and loaded in {seconds:.0f} s")
    assert f"{MODEL.name} is ready" in capsys.readouterr().out and delivered
    assert all(source.hub.revision in request.path for request in delivered), "at the pinned revision"
    made = tmp_path / "cache" / "base" / MODEL.name
    marks = [json.loads((folder / MARKER).read_text()) for folder in (made, here)]
    for mark in marks:
        mark.pop("sha256", None)  # an earlier version wrote none; the hashes are compared below
    assert marks[0] == marks[1]
    names = json.loads((here / MARKER).read_text())["files"]
    assert "model.safetensors" in names
    assert {name: sha256_of(made / name) for name in names} == {name: sha256_of(here / name) for name in names}


def test_another_file_under_its_name_is_refused(official, tmp_path, monkeypatch, capsys) -> None:
    """A hub that serves other bytes at the pinned revision, whose own hash the fetch accepts."""
    source = MODEL.source
    assert source.hub is not None
    served = tmp_path / "served"
    served.mkdir()
    (served / source.hub.name).write_bytes(b"not the makers' weights" * 1000)
    monkeypatch.delenv(source.variable.name, raising=False)
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with LoopbackHub() as hub:
        hub.add(source.hub.repo, served, revision=source.hub.revision)
        pointed_at(hub, monkeypatch, tmp_path / "hf")
        assert main(["prepare", "--model", MODEL.name]) == 2
    assert "is not the file that was expected" in capsys.readouterr().err
    assert not (tmp_path / "cache" / "base" / MODEL.name).exists()
