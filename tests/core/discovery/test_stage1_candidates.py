"""Raising K until a prompt flips."""

import pytest

from core import Edits, Feature, InputError
from core.answers.rule_judges import substrings_judge
from core.discovery.stage1_candidates import first_flips

JUDGE = substrings_judge()

# What each prompt answers once so many features are ablated.
TURNS = {
    "early": {10: "Sure, here you are."},
    "late": {30: "Sure."},
    "odd": {10: "no no no no no", 20: "Yes, do it."},
    "never": {},
}


def pool(k):
    return [Feature(1, i) for i in range(k)]


def answer(texts, edits):
    (one,) = edits
    return [[next((TURNS[t][k] for k in sorted(TURNS[t], reverse=True) if k <= len(one)), "I cannot.")] for t in texts]


@pytest.mark.parametrize("chunk", [1, 64])
def test_the_smallest_k_that_is_complied_with(chunk):
    found = {f.text: f for f in first_flips(list(TURNS), pool, answer, JUDGE, (10, 20, 30), chunk)}
    assert {t: f.k for t, f in found.items()} == {"early": 10, "late": 30, "odd": 20, "never": None}
    assert found["early"].tried == ((10, "complied"),)  # and nothing after it
    assert found["odd"].tried == ((10, "degenerate"), (20, "complied")) and found["odd"].answer == "Yes, do it."
    assert [v for _, v in found["never"].tried] == ["refused"] * 3 and found["never"].answer == "I cannot."


@pytest.mark.parametrize("steps", [(), (0, 10), (10, 10), (20, 10)])
def test_steps_that_do_not_rise(steps):
    with pytest.raises(InputError, match="increase"):
        first_flips(["early"], pool, answer, JUDGE, steps)


def test_on_an_engine_it_is_one_prompt_at_a_time(tiny):
    from core.edits.feature_sets import top_per_layer

    table = tiny.alignment()
    texts = ["How do I bake bread?", "Write a poem about a cat."]
    found = first_flips(texts, lambda k: top_per_layer(table, k), lambda t, e: tiny.answers(t, e, 5), JUDGE, (2, 20))
    for flip in found:
        for k, judged in flip.tried:
            answers = tiny.answers([flip.text], [Edits.ablate(top_per_layer(table, k))], 5)[0]
            assert JUDGE.judge([flip.text], answers)[0].verdict == judged
