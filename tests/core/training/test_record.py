"""Recording: the rows are a plain forward's residuals without the prefix, and a stopped run ends the same."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import AssetError, Cancelled
from core.models.architecture import decoder_layers
from core.training.record import padded_batches, record
from tests.core.training.conftest import StopsAfter


def plain_rows(model, chats, layer):
    """The slow way: each conversation whole and alone. hidden_states[n + 1] is the output of block n."""
    found = []
    with torch.no_grad():
        for row in chats.rows:
            ids = torch.tensor([[*chats.prefix, *row]])
            hidden = model(ids, output_hidden_states=True).hidden_states
            found.append(hidden[layer + 1][0, len(chats.prefix) :])
    return torch.cat(found)


def test_rows_are_the_residuals_of_a_plain_forward(plain, chats, tmp_path) -> None:
    found = record(plain, chats, (0, 2), tmp_path, weights="own", budget=256)
    assert found.tokens == chats.tokens and found.d_model == 32
    batches = [i for batch in padded_batches(chats.rows, 256) for i in batch]
    ordered = chats._replace(rows=[chats.rows[i] for i in batches])
    for layer in (0, 2):
        expected = plain_rows(plain, ordered, layer)
        assert torch.allclose(torch.from_numpy(found.rows(layer).astype(np.float32)), expected, atol=5e-3, rtol=2e-3)


def test_hooks_are_gone_afterwards(plain, chats, tmp_path) -> None:
    ids = torch.tensor([[*chats.prefix, *chats.rows[0]]])
    before = plain(ids).logits
    record(plain, chats, (1,), tmp_path, weights="own")
    assert torch.equal(plain(ids).logits, before)


def test_a_stopped_recording_goes_on_and_ends_the_same(plain, chats, tmp_path) -> None:
    whole = record(plain, chats, (1, 2), tmp_path / "whole", weights="own", budget=128)
    with pytest.raises(Cancelled):
        record(plain, chats, (1, 2), tmp_path / "parts", weights="own", budget=128, cancelled=StopsAfter(3))
    with (tmp_path / "parts" / "layer_01.f16").open("ab") as file:
        file.write(b"half a batch that a kill left")
    again = record(plain, chats, (1, 2), tmp_path / "parts", weights="own", budget=128)
    for layer in (1, 2):
        assert np.array_equal(whole.rows(layer), again.rows(layer))


def test_a_finished_recording_is_not_made_again(plain, chats, tmp_path) -> None:
    record(plain, chats, (1,), tmp_path, weights="own")
    record(plain, chats, (1,), tmp_path, weights="own", cancelled=StopsAfter(0))
    with pytest.raises(Cancelled):  # other conversations are
        record(plain, chats._replace(rows=chats.rows[1:]), (1,), tmp_path, weights="own", cancelled=StopsAfter(0))


def test_batches_hold_every_row_once_and_keep_to_the_budget(chats) -> None:
    batches = padded_batches(chats.rows, 200)
    assert sorted(i for batch in batches for i in batch) == list(range(len(chats.rows)))
    assert all(len(b) == 1 or len(b) * max(len(chats.rows[i]) for i in b) <= 200 for b in batches)


def test_residuals_too_large_for_the_file_are_an_error(plain_copy, chats, tmp_path) -> None:
    with torch.no_grad():
        plain_copy.model.embed_tokens.weight.mul_(1e6)
    with pytest.raises(AssetError, match="float16"):
        record(plain_copy, chats, (1,), tmp_path, weights="own")


def test_a_model_without_layers_where_they_belong_is_refused() -> None:
    with pytest.raises(AssetError, match="decoder layers"):
        decoder_layers(torch.nn.Linear(2, 2))


@pytest.fixture
def plain_copy(tiny_folder):
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(tiny_folder / "model", dtype=torch.float32).eval()


def test_another_number_of_layers_is_another_recording(plain, chats, tmp_path) -> None:
    first = record(plain, chats, (1,), tmp_path, weights="own")
    second = record(plain, chats, (1, 2), tmp_path, weights="own")
    assert second == replace(first, layers=(1, 2))
    assert second.path(2).stat().st_size == chats.tokens * 32 * 2


@pytest.mark.parametrize("damage", ["zeros", "cut off", "empty", "one bit"])
@pytest.mark.parametrize("done", [2, 1000])
def test_a_file_that_is_not_what_was_written_is_recorded_again(plain, chats, tmp_path, damage, done) -> None:
    """A power cut or a bad disk: the rows would be trained on like any others."""
    whole = record(plain, chats, (1, 2), tmp_path / "whole", weights="own", budget=128)
    parts = tmp_path / "parts"
    with suppress(Cancelled):
        record(plain, chats, (1, 2), parts, weights="own", budget=128, cancelled=StopsAfter(done))
    data = bytearray((parts / "layer_02.f16").read_bytes())
    data[100] ^= 1
    made = {"zeros": bytes(len(data)), "cut off": data[: len(data) // 2], "empty": b"", "one bit": data}
    (parts / "layer_02.f16").write_bytes(made[damage])
    again = record(plain, chats, (1, 2), parts, weights="own", budget=128)
    for layer in (1, 2):
        assert np.array_equal(whole.rows(layer), again.rows(layer))


@pytest.mark.parametrize("said", ["", "[]", "7", '{"batches": 3}', '{"sums": [], "tokens": "x"}', "\0\0"])
def test_what_cannot_be_read_of_an_earlier_recording_is_as_none(plain, chats, tmp_path, said) -> None:
    whole = record(plain, chats, (1,), tmp_path, weights="own")
    (tmp_path / "done.json").write_text(said)
    assert np.array_equal(record(plain, chats, (1,), tmp_path, weights="own").rows(1), whole.rows(1))


def test_residuals_of_other_weights_are_recorded_anew(plain, chats, tmp_path) -> None:
    first = record(plain, chats, (1,), tmp_path, weights="own")
    assert record(plain, chats, (1,), tmp_path, weights="own", cancelled=StopsAfter(0)) == first
    with pytest.raises(Cancelled):
        record(plain, chats, (1,), tmp_path, weights="others", cancelled=StopsAfter(0))
    assert record(plain, chats, (1,), tmp_path, weights="others").digest != first.digest
