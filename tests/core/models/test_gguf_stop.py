"""Stopping the conversion of a real, tiny GGUF file: between two tensors, with nothing half made left behind."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from safetensors.numpy import load_file

from cache.jobs.queue import Control, Queue
from core.errors import Cancelled, DownloadError
from core.models import between_tensors
from core.models.between_tensors import asked_between_tensors
from core.models.gguf_folder import dequantise, is_ready, prepare
from core.models.gguf_source import GgufSource
from core.progress import NEVER, QUIET, Progress
from tests.core.models.wheel_index import SOURCE
from tests.tiny_gguf import tiny_gguf
from tests.waiting import until

MADE_WITH = "tests 1"


@pytest.fixture(autouse=True)
def asked_at_every_tensor(monkeypatch):
    """So that what is asked does not depend on how fast this machine is."""
    monkeypatch.setattr(between_tensors, "POLL_SECONDS", 0.0)


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    tiny_gguf(path)
    return path


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "base" / "tiny"


@pytest.fixture
def source(file) -> GgufSource:
    return replace(SOURCE, sha256=hashlib.sha256(file.read_bytes()).hexdigest())


@pytest.fixture
def made(source, file, target) -> Callable[..., Path]:
    """made(progress, cancelled): the file converted as the demo's is."""

    def make(progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER) -> Path:
        convert = partial(dequantise, dtype="float32")
        return prepare(source, target, convert, MADE_WITH, lambda: file, progress, cancelled)

    return make


def left_behind(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir() if path.suffix != ".lock")


def counting(stop_at: int | None = None) -> tuple[list[int], Callable[[], bool]]:
    """(how often it was asked, cancelled()); it says yes from the question `stop_at` on."""
    asked = [0]

    def cancelled() -> bool:
        asked[0] += 1
        return stop_at is not None and asked[0] >= stop_at

    return asked, cancelled


def test_a_conversion_is_asked_more_often_than_it_has_tensors_and_is_exact(made, target, source, tmp_path):
    asked, cancelled = counting()
    folder = made(cancelled=cancelled)
    tensors = tiny_gguf(tmp_path / "same.gguf")
    assert asked[0] > len(tensors)
    found = load_file(folder / "model.safetensors")
    for name, ours in (("token_embd", "model.embed_tokens"), ("blk.3.ffn_down", "model.layers.3.mlp.down_proj")):
        packed = quantize(tensors[f"{name}.weight"], GGMLQuantizationType.Q8_0)
        assert np.array_equal(found[f"{ours}.weight"], dequantize(packed, GGMLQuantizationType.Q8_0))
    assert is_ready(target, source, MADE_WITH) and left_behind(target) == ["tiny"]


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_stop_acts_at_once_and_leaves_nothing_half_made(made, target, source, file, part):
    every, cancelled = counting()
    made(cancelled=cancelled)
    (target / "config.json").unlink()  # no longer whole, so it is made again
    asked, cancelled = counting(stop_at=int(part * every[0]))
    with pytest.raises(Cancelled, match=r"The preparation was stopped\. The downloaded files are kept\."):
        made(cancelled=cancelled)
    assert asked[0] == int(part * every[0]), "the first yes ends it"
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32, "what the library set is set back"
    assert left_behind(target) == ["tiny"] and not is_ready(target, source, MADE_WITH) and file.exists()
    assert is_ready(made(), source, MADE_WITH) and left_behind(target) == ["tiny"]


def test_what_progress_raises_ends_it_between_two_tensors(made, target):
    """A page that is left, and Ctrl+C, end the work by an exception."""
    shown = []

    def show(message: str, share: float) -> None:
        shown.append(message)
        if sum(one.startswith("Converting") for one in shown) == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(progress=show)
    assert len([one for one in shown if one.startswith("Converting")]) == 40 and left_behind(target) == []


def test_a_stopped_job_ends_while_it_converts(source, file, target):
    """Stop on a page, with a conversion that would take a minute."""
    begun = threading.Event()

    def slow(gguf: Path, folder: Path) -> None:
        for _ in range(6000):
            torch.ones(2).to(torch.float64)
            begun.set()
            time.sleep(0.01)

    def work(control: Control) -> Path:
        return prepare(source, target, slow, MADE_WITH, lambda: file, control.report, control.stop_requested)

    queue = Queue()
    job = queue.submit("model", "tiny", "tiny", work, uses_device=False)
    assert begun.wait(30)
    assert queue.job(job.id).message.startswith("Converting")
    started = time.monotonic()
    queue.stop(job.id)
    until(lambda: queue.job(job.id).state == "stopped", seconds=20)
    assert time.monotonic() - started < 10 and left_behind(target) == []


def test_a_stop_that_a_library_makes_an_error_of_is_a_stop(source, file, target):
    stop = [False]

    def wrapping(gguf: Path, folder: Path) -> None:
        stop[0] = True
        try:
            torch.ones(2).to(torch.float64)
        except Cancelled as error:
            raise RuntimeError("1 tensor could not be converted") from error

    with pytest.raises(Cancelled):
        prepare(source, target, wrapping, MADE_WITH, lambda: file, QUIET, lambda: stop[0])
    stop[0] = False

    def failing(gguf: Path, folder: Path) -> None:
        torch.ones(2).to(torch.float64)
        raise RuntimeError("damaged")

    with pytest.raises(DownloadError, match="could not be converted"):
        prepare(source, target, failing, MADE_WITH, lambda: file, QUIET, lambda: stop[0])


def test_only_the_thread_that_asked_is_asked():
    asked: list[str] = []
    with asked_between_tensors(lambda: asked.append(threading.current_thread().name)):
        other = threading.Thread(target=lambda: torch.ones(2).to(torch.float64), name="other")
        other.start()
        other.join()
        torch.ones(2).to(torch.float64)
    assert asked and "other" not in asked
    asked.clear()
    torch.ones(2).to(torch.float64)
    assert not asked, "nothing is asked afterwards"
