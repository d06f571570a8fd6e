"""The demo's recipe for SAEs on a tiny setting: answers, chat text, recording, SAEs and cards, by `core.training`."""

from __future__ import annotations

import importlib
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from core.models.digest import Digests
from core.paths import PROGRAM_FOLDER
from core.prompts.shipped import ShippedPrompt
from core.saes.card import CARD, read_card
from core.saes.find import find_saes
from tests.conftest import make_tokenizer
from tests.core.training.settings import SMALL

PROMPTS = [
    ShippedPrompt(kind, 0, split, "x", f"Tell me about {kind} bread number {n}, {split}.")
    for kind in ("harmful", "lookalike", "benign")
    for split in ("train", "test")
    for n in range(3)
]


@pytest.fixture
def recipe(monkeypatch):
    """(chats, saes) of scripts/demo, with a few prompts."""
    monkeypatch.syspath_prepend(str(PROGRAM_FOLDER / "scripts" / "demo"))
    chats, saes = (importlib.import_module(name) for name in ("chats", "saes"))
    monkeypatch.setattr(chats, "load_prompts", lambda path: PROMPTS)
    monkeypatch.setattr(chats, "read_answer", lambda text: {"ids": torch.tensor(make_tokenizer()("I bake.").input_ids)})
    return chats, saes


@pytest.fixture
def engine(plain):
    runtime = SimpleNamespace(digests=Digests("tiny", {}))
    return SimpleNamespace(model=plain, tokenizer=make_tokenizer(), runtime=runtime, dtype="float32")


def test_pairs_are_drawn_in_the_recipes_shares_and_never_from_the_other_split(recipe, engine, tmp_path):
    chats, _ = recipe
    answers = {split: chats.answer_split(tmp_path, engine, split) for split in ("train", "test")}
    assert set(answers["train"]) | set(answers["test"]) == {prompt.text for prompt in PROMPTS}
    train, held = (chats.mixed(answers[split], split, 600, 0) for split in ("train", "test"))
    assert not {text for text, _ in train if "bread" in text} & {text for text, _ in held}
    harmful = sum("harmful" in text and "bread" in text for text, _ in train) / len(train)
    assert harmful == pytest.approx(chats.MIX["harmful"], abs=0.06)


def test_it_makes_saes_and_cards_and_what_is_there_is_kept(recipe, engine, tmp_path):
    _, saes = recipe
    settings, work, out = replace(SMALL, layers=(1,)), tmp_path / "work", tmp_path / "saes"
    assert saes.make(engine, settings, work, out).tokens >= settings.tokens
    assert list(find_saes(str(out))) == [1]
    card, before = read_card(out / "layer_01"), (out / "layer_01" / "sae_weights.safetensors").read_bytes()
    assert card.width == settings.width and card.random is not None
    assert saes.make(engine, settings, work, out) is None
    (out / "layer_01" / CARD).unlink()
    assert saes.make(engine, settings, work, out) is None, "only the card was missing"
    assert read_card(out / "layer_01") == card
    assert (out / "layer_01" / "sae_weights.safetensors").read_bytes() == before
