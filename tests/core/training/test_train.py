"""Training: it learns, it is what sae-lens saves, and a killed one ends with the same weights."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core.errors import Cancelled
from core.saes.formats.int8 import WEIGHTS, to_sae_lens
from core.training import train
from core.training.card import Sae, fidelity
from core.training.record import Recording
from core.training.train import Rows, identity_of, is_trained, train_layer
from tests.core.training.conftest import StopsAfter

CPU = torch.device("cpu")


@pytest.fixture
def recording(tmp_path) -> Recording:
    """Rows that an SAE can learn: sparse sums of 40 directions around a mean."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(40, 32, generator=generator), dim=1)
    active = (torch.rand(1500, 40, generator=generator) < 0.1) * (1 + torch.rand(1500, 40, generator=generator))
    rows = (5 * active @ directions + 3).half()
    found = Recording(tmp_path / "rows", (1, 2), 32, 1500, "made up")
    found.folder.mkdir()
    for layer in (1, 2):
        rows.numpy().tofile(found.path(layer))
    return found


def weights(folder):
    return load_file(folder / WEIGHTS)


def test_it_learns(recording, settings, tmp_path) -> None:
    trained = train_layer(recording, 1, replace(settings, passes=40), tmp_path / "sae")
    found = fidelity(Sae(trained.columns, trained.output_bias), recording.rows(1))
    assert found.explained_variance > 0.8
    assert 2 < found.l0 < 12


def test_what_lies_on_disk_opens_in_saelens_with_its_hook(recording, settings, tmp_path) -> None:
    from sae_lens import SAE

    trained = train_layer(recording, 2, settings, tmp_path / "sae", model_name="tiny")
    to_sae_lens(tmp_path / "sae", tmp_path / "again")
    sae = SAE.load_from_disk(str(tmp_path / "again"), device="cpu")
    assert sae.cfg.metadata.hook_name == "blocks.2.hook_resid_post"
    assert sae.cfg.metadata.model_name == "tiny"
    x = torch.from_numpy(recording.rows(2)[:200].astype(np.float32))
    ours, theirs = Sae(trained.columns, trained.output_bias).encode(x), sae.encode(x)
    assert (ours - theirs).norm() < 0.05 * ours.norm()  # int8 alone stands between them


def test_a_stopped_training_ends_with_the_same_weights(recording, settings, tmp_path) -> None:
    train_layer(recording, 1, settings, tmp_path / "whole")
    with pytest.raises(Cancelled, match="step 17"):
        train_layer(recording, 1, settings, tmp_path / "parts", cancelled=StopsAfter(17))
    train_layer(recording, 1, settings, tmp_path / "parts")
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert sorted(p.name for p in tmp_path.iterdir() if "parts" in p.name) == ["parts"], "no checkpoint is left"


def test_a_checkpoint_of_another_training_is_not_continued(recording, settings, tmp_path) -> None:
    other = replace(settings, seed=5)
    train_layer(recording, 1, other, tmp_path / "whole")
    with pytest.raises(Cancelled):
        train_layer(recording, 1, settings, tmp_path / "parts", cancelled=StopsAfter(9))
    train_layer(recording, 1, other, tmp_path / "parts")
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_number_format_of_products_is_part_of_what_was_trained(recording, settings, tmp_path, monkeypatch) -> None:
    found = {}
    for fast in (False, True):
        monkeypatch.setattr(train, "fast_bfloat16", lambda device, fast=fast: fast)
        train_layer(recording, 1, settings, tmp_path / f"sae{fast}")
        found[fast] = identity_of(recording, 1, settings, CPU)
    assert found[True] == found[False] | {"products": "bfloat16"}
    assert not is_trained(tmp_path / "saeFalse", recording, 1, settings, CPU)
    one, other = weights(tmp_path / "saeFalse"), weights(tmp_path / "saeTrue")
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_only_the_same_training_counts_as_done(recording, settings, tmp_path) -> None:
    assert not is_trained(tmp_path / "sae", recording, 1, settings, CPU)
    train_layer(recording, 1, settings, tmp_path / "sae")
    assert is_trained(tmp_path / "sae", recording, 1, settings, CPU)
    assert not is_trained(tmp_path / "sae", recording, 1, replace(settings, width=64), CPU)
    assert not is_trained(tmp_path / "sae", replace(recording, digest="other"), 1, settings, CPU)


_KILLED = """
import sys
from pathlib import Path
from core.training.record import Recording
from core.training.settings import TrainingSettings
from core.training.train import train_layer
folder, out, slow = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "slow"
import time
settings = eval(sys.argv[4])
train_layer(Recording(folder, (1, 2), 32, 1500, "made up"), 1, settings, out,
            progress=lambda message, share: time.sleep(0.3) if slow else None)
"""


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_weights(recording, settings, tmp_path) -> None:
    long = replace(settings, passes=6, checkpoint_steps=3)
    train_layer(recording, 1, long, tmp_path / "whole")
    command = [sys.executable, "-c", _KILLED, str(recording.folder), str(tmp_path / "parts")]
    child = subprocess.Popen([*command, "slow", repr(long)])
    deadline = time.time() + 120
    while not (tmp_path / "parts.training" / "state.json").exists() and time.time() < deadline:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "parts").exists()
    subprocess.run([*command, "fast", repr(long)], check=True)
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_every_pass_sees_every_row_once_in_an_order_of_its_own() -> None:
    rows = Rows(np.arange(12, dtype=np.float16)[:, None], 4, 0, torch.device("cpu"))
    passes = [torch.cat([next(rows) for _ in range(3)]).flatten().tolist() for _ in range(2)]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(12))
    assert passes[0] != passes[1]
    later = Rows(np.arange(12, dtype=np.float16)[:, None], 4, 0, torch.device("cpu"), position=4)
    assert next(later).flatten().tolist() == passes[1][4:8]


@pytest.mark.parametrize("name", ["state.json", "weights.safetensors", "trainer_state.pt"])
@pytest.mark.parametrize("damage", ["empty", "one bit"])
def test_a_damaged_checkpoint_is_as_none(recording, settings, tmp_path, name, damage) -> None:
    train_layer(recording, 1, settings, tmp_path / "whole")
    with pytest.raises(Cancelled):
        train_layer(recording, 1, settings, tmp_path / "parts", cancelled=StopsAfter(9))
    path = tmp_path / "parts.training" / name
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data if damage == "one bit" and name != "state.json" else b"")
    train_layer(recording, 1, settings, tmp_path / "parts")
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_weights_that_changed_on_the_disk_do_not_count_as_done(recording, settings, tmp_path) -> None:
    train_layer(recording, 1, settings, tmp_path / "sae")
    path = tmp_path / "sae" / "sae_weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert not is_trained(tmp_path / "sae", recording, 1, settings, CPU)
