"""Cards with a right digest that say what cannot be: each is one sentence."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest

from core.card.contents import digest_of
from core.card.files import card_bytes
from core.card.read import CardError, read_card
from tests.cards import made


@pytest.fixture(scope="module")
def written(tiny):
    return json.loads(card_bytes(made(tiny), ".json"))


def forged(written, change):
    copy = deepcopy(written)
    change(copy["card"])
    copy["digest"] = digest_of(copy["card"])
    return json.dumps(copy)


def state(card):
    return card["cases"][0]["states"][1]


def direction(card, **changes):
    card["source"]["direction"].update(changes)


FORGERIES = {
    "a huge number": lambda card: state(card).update(kl=10**400),
    "a control of nothing": lambda card: card["cases"][0]["controls"][0].update(state="<b>x"),
    "half a character": lambda card: card["cases"][0]["turns"][0].update(text="a\ud800b"),
    "no vector": lambda card: direction(card, vector="!!!"),
    "a vector of NaN": lambda card: direction(card, vector="AADAfwAAwH8="),
    "an endless norm": lambda card: direction(card, norm=-1e308),
    "a layer that is not there": lambda card: direction(card, layer=500),
    "a negative divergence": lambda card: state(card).update(kl=-3.0),
    "a cosine of 5": lambda card: state(card).update(cosine=[5.0]),
    "edits that are none": lambda card: state(card).update(edits="rubbish"),
    "an unknown verdict": lambda card: (state(card)["judgement"] or {}).update(verdict="banana"),
    "κ of 7": lambda card: card["source"]["judge"].update(kappa=7.0),
    "an answer of another digest": lambda card: state(card)["judgement"].update(answer="FORGED"),
    "a role that is none": lambda card: card["cases"][0]["features"][0].update(role="forged"),
    "no layers": lambda card: card["source"].update(n_layers=-3),
    "a state twice": lambda card: card["cases"][0]["states"].append(state(card)),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_what_cannot_be_is_refused_in_a_sentence(written, tmp_path, what):
    path = tmp_path / "card.json"
    path.write_text(forged(written, FORGERIES[what]))
    with pytest.raises(CardError, match="cannot be read as a card") as raised:
        read_card(path)
    assert "\n" not in str(raised.value)


def test_the_card_itself_is_read(written, tmp_path):
    path = tmp_path / "card.json"
    path.write_text(forged(written, lambda card: None))
    assert read_card(path).cases
