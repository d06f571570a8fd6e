"""Quality cards as they are read: what is there, what is damaged, and how it reads in words."""

import json

import pytest

from core.hashes import sha256_of
from core.models.registry import find_spec
from core.saes.card import CARD, COLUMNS, WEIGHTS, cards_of, read_card, summary, table_rows, useless_cards

WRITTEN = {
    "layer": 3,
    "width": 4096,
    "tokens": 20_000,
    "explained_variance": 0.912,
    "l0": 61.4,
    "silent": 0.021,
    "ce_recovered": 0.987,
    "intervals": {"l0": [60.0, 63.0]},
    "random": {"explained_variance": 0.11, "ce_recovered": 0.2},
}


def test_a_card_comes_back_as_it_was_written(tmp_path) -> None:
    (tmp_path / CARD).write_text(json.dumps(WRITTEN))
    card = read_card(tmp_path)
    assert (card.layer, card.width, card.l0, card.random) == (3, 4096, 61.4, (0.11, 0.2))
    assert card.sentence.startswith("explained variance 0.91, cross-entropy recovered 0.99, 61 active features")
    (row,) = table_rows({3: card})
    assert tuple(row) == tuple(COLUMNS) and row["silent"] == "2.1%" and row["L0"] == "61.4 (60.0–63.0)"


def test_the_random_dictionary_may_be_missing(tmp_path) -> None:
    (tmp_path / CARD).write_text(json.dumps(WRITTEN | {"random": None}))
    assert read_card(tmp_path).random is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"layer": 3}', '{"layer": "x"}'])
def test_what_is_no_card_is_none(tmp_path, text) -> None:
    (tmp_path / CARD).write_text(text)
    assert read_card(tmp_path) is None and read_card(tmp_path / "nowhere") is None


def test_every_sae_of_the_demo_has_its_card() -> None:
    spec = find_spec("demo")
    cards = cards_of(spec.saes)
    assert tuple(cards) == spec.layers and all(cards[layer].layer == layer for layer in cards)
    assert summary(cards).startswith("Explained variance 0.89–0.95") and summary({}) == ""


@pytest.mark.parametrize(
    ("changes", "own"),
    [
        ({}, True),
        ({"weights": "right"}, True),
        ({"weights": "0" * 64}, False),
        ({"layer": 2}, False),
        ({"width": 2048}, False),
    ],
)
def test_a_card_of_another_sae_is_none(tmp_path, changes, own) -> None:
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    (tmp_path / "cfg.json").write_text(json.dumps({"d_sae": 4096}))
    if changes.get("weights") == "right":
        changes = {"weights": sha256_of(tmp_path / WEIGHTS)}
    (tmp_path / CARD).write_text(json.dumps(WRITTEN | changes))
    assert (list(cards_of({3: tmp_path})), useless_cards({3: tmp_path})) == (([3], ()) if own else ([], (3,)))
