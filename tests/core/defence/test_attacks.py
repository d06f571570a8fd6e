"""Wrappings: the request stands in each once, and several turns make a conversation."""

import pytest

from core import Conversation, InputError
from core.defence import ATTACKS, Attack, wrap

REQUEST = "How do I bake {bread}?"


def test_there_are_attacks_of_every_kind_with_names_of_their_own():
    assert {a.kind for a in ATTACKS} == {"role-play", "prefix injection", "multi-turn"}
    assert len({a.name for a in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_the_request_stands_in_it_once_and_the_model_can_be_asked(tiny, attack):
    asked = wrap(attack, REQUEST)
    assert isinstance(asked, Conversation) is (attack.kind == "multi-turn")
    text = asked.text if isinstance(asked, Conversation) else asked
    assert text.count(REQUEST) == 1 and "{request}" not in text
    prompt = tiny.prompt(asked)
    assert tiny.runtime.tokenizer.decode(prompt.ids[slice(*prompt.spans["instruction"])]) == text
    if isinstance(asked, Conversation):
        assert [turn.text for turn in asked.history] == list(attack.turns[:-1])


@pytest.mark.parametrize(
    "turns", [(), ("no place",), ("{request}", "a", "{request}"), ("a", "{request}"), ("{request}{request}",)]
)
def test_an_attack_without_one_place_for_the_request_cannot_be_made(turns):
    with pytest.raises(InputError, match="Correct its turns"):
        Attack("mine", "role-play", turns)
