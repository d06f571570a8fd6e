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


def reply(text, edits):
    return next((TURNS[text][k] for k in sorted(TURNS[text], reverse=True) if k <= len(edits)), "I cannot.")


def answer(texts, edits):
    return [[reply(text, one) for one in edits] for text in texts]


@pytest.mark.parametrize("chunk", [1, 64])
def test_the_smallest_k_that_is_complied_with(chunk):
    found = {f.text: f for f in first_flips(list(TURNS), pool, answer, JUDGE, (10, 20, 30), chunk)}
    assert {t: f.k for t, f in found.items()} == {"early": 10, "late": 30, "odd": 20, "never": None}
    assert found["early"].tried == ((10, "complied"),)  # and nothing after it
    assert found["odd"].tried == ((10, "degenerate"), (20, "complied")) and found["odd"].answer == "Yes, do it."
    assert [v for _, v in found["never"].tried] == ["refused"] * 3 and found["never"].answer == "I cannot."


@pytest.mark.parametrize(("chunk", "together"), [(1, [1] * 6), (4, [1, 1, 1, 2, 1]), (64, [1, 2, 3])])
def test_several_k_are_answered_at_once_and_change_nothing(chunk, together):
    """Twice as many from one time to the next, as far as the batch has room for the prompts that are left."""
    asked, judged = [], []

    def counting(texts, edits):
        asked.append(len(edits))
        return answer(texts, edits)

    class Counting:
        name, revision = JUDGE.name, JUDGE.revision

        def judge(self, prompts, answers, ended=None):
            judged.extend(prompts)
            return JUDGE.judge(prompts, answers, ended)

    texts, steps = ["late", "odd", "never", "never2"], (10, 20, 30, 40, 50, 60)
    TURNS["never2"] = {}
    found = first_flips(texts, pool, counting, Counting(), steps, chunk)
    alone = [first_flips([text], pool, answer, JUDGE, steps, 1)[0] for text in texts]
    del TURNS["never2"]
    assert found == alone and len(judged) == sum(len(flip.tried) for flip in found)
    assert asked == (together if chunk > 1 else asked) and max(asked) <= max(1, chunk)


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
