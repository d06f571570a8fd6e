"""All of a training on the tiny model: SAEs that the engine opens, cards beside them, stopped and continued."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from core.errors import Cancelled
from core.saes.find import find_saes
from core.training.pipeline import Texts, train_saes
from core.training.record import Here
from tests.core.training.conftest import PAIRS, StopsAfter

TEXTS = Texts(
    train=[text for text, _ in PAIRS], held_out=["Tell me a story, please.", "Bake a small town."], often=[PAIRS[0][0]]
)


def test_it_ends_with_saes_that_are_found_by_their_folder(plain, tokenizer, settings, tmp_path) -> None:
    told = []
    cards = train_saes(
        plain,
        tokenizer,
        TEXTS,
        settings,
        tmp_path,
        weights="own",
        model_name="tiny",
        progress=lambda *step: told.append(step),
    ).cards
    assert set(cards) == {1, 2}
    found = find_saes(str(tmp_path / "saes"))
    assert {layer: path.name for layer, path in found.items()} == {1: "layer_01", 2: "layer_02"}
    for layer, path in found.items():
        assert json.loads((path / "card.json").read_text()) == cards[layer]
        assert cards[layer]["tokens"] >= settings.held_out_tokens
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] == 1.0


@pytest.mark.parametrize("times", [0, 3, 8, 30, 60, 100])
def test_stopped_anywhere_it_goes_on_and_ends_the_same(plain, tokenizer, settings, tmp_path, times) -> None:
    whole = train_saes(plain, tokenizer, TEXTS, settings, tmp_path / "whole", weights="own").cards
    with pytest.raises(Cancelled):
        train_saes(plain, tokenizer, TEXTS, settings, tmp_path / "parts", weights="own", cancelled=StopsAfter(times))
    assert train_saes(plain, tokenizer, TEXTS, settings, tmp_path / "parts", weights="own").cards == whole
    for layer in settings.layers:
        name = f"saes/layer_{layer:02d}/sae_weights.safetensors"
        one, two = load_file(tmp_path / "whole" / name), load_file(tmp_path / "parts" / name)
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_what_is_finished_is_only_read_again(plain, tokenizer, settings, tmp_path) -> None:
    first = train_saes(plain, tokenizer, TEXTS, settings, tmp_path, weights="own")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert train_saes(plain, tokenizer, TEXTS, settings, tmp_path, weights="own") == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == before


class Many:
    """Workers with a model, and how often they were asked and let go."""

    def __init__(self, model):
        self.here, self.asked, self.closed = Here(model), 0, 0

    def __call__(self, *batches):
        self.asked += 1
        return self.here(*batches)

    def close(self):
        self.closed += 1


def test_workers_record_both_texts_and_are_let_go_and_not_asked_again(plain, tokenizer, settings, tmp_path) -> None:
    alone = train_saes(plain, tokenizer, TEXTS, settings, tmp_path / "alone", weights="own")
    many = Many(plain)
    found = train_saes(plain, tokenizer, TEXTS, settings, tmp_path / "many", weights="own", recorders=many)
    assert found.cards == alone.cards and (many.asked, many.closed) == (2, 1)
    train_saes(plain, tokenizer, TEXTS, settings, tmp_path / "many", weights="own", recorders=many)
    assert (many.asked, many.closed) == (2, 2)


def test_other_weights_or_another_length_of_answers_are_another_training(plain, tokenizer, settings, tmp_path) -> None:
    """The same folder, as if the model's files were replaced meanwhile."""
    first = train_saes(plain, tokenizer, TEXTS, settings, tmp_path, weights="own")
    weights = tmp_path / "saes" / "layer_01" / "sae_weights.safetensors"
    before = weights.read_bytes()
    with torch.no_grad():
        other = copy.deepcopy(plain)
        other.model.layers[0].mlp.down_proj.weight.mul_(-3)
    second = train_saes(other, tokenizer, TEXTS, settings, tmp_path, weights="others")
    assert second.recording.digest != first.recording.digest
    assert weights.read_bytes() != before
    fresh = train_saes(other, tokenizer, TEXTS, settings, tmp_path / "fresh", weights="others")
    assert second.cards == fresh.cards and second.chats == fresh.chats
    longer = train_saes(plain, tokenizer, TEXTS, replace(settings, answer_tokens=12), tmp_path, weights="own")
    assert longer.chats.digest != first.chats.digest


def test_another_held_out_text_is_measured_anew(plain, tokenizer, settings, tmp_path) -> None:
    first = train_saes(plain, tokenizer, TEXTS, settings, tmp_path, weights="own").cards
    more = train_saes(plain, tokenizer, TEXTS, replace(settings, held_out_tokens=800), tmp_path, weights="own").cards
    assert first[1]["tokens"] < 800 <= more[1]["tokens"]
