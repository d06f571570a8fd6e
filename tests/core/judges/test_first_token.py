"""The judge that reads no answer: the sign of the refusal score."""

import numpy as np
import pytest

from core import Edits, Feature, InputError, refusal_score
from core.judges.first_token import FirstToken, first_token_judge
from tests.oracles import PROMPTS


def test_the_first_token_judges_by_the_sign_of_the_score():
    judge = FirstToken(lambda prompts: refusal_score(np.array([0.9, 0.5, 0.1])), "mine")
    found = judge.judge(["a", "b", "c"], ["I cannot", "x", ""])
    assert [one.verdict for one in found] == ["refused", "complied", "complied"]
    assert [one.score for one in found] == pytest.approx([np.log(9), 0, -np.log(9)], abs=1e-6)
    assert judge.judge([], []) == ()


def test_the_first_token_of_a_loaded_model_is_what_measure_says(tiny):
    off = Edits.ablate([Feature(2, 3), Feature(1, 4)])
    texts = PROMPTS[:3]
    expected = tiny.measure(texts, [Edits(), off]).refusal_score
    plain, edited = first_token_judge(tiny), first_token_judge(tiny, off)
    assert [one.score for one in plain.judge(texts, [""] * 3)] == pytest.approx(expected[:, 0], abs=1e-5)
    assert [one.score for one in edited.judge(texts, [""] * 3)] == pytest.approx(expected[:, 1], abs=1e-5)
    assert [one.verdict == "refused" for one in plain.judge(texts, [""] * 3)] == list(expected[:, 0] > 0)


def test_the_first_tokens_revision_tells_model_and_edits_apart(tiny):
    made = [Edits(), Edits.ablate([Feature(2, 3)]), Edits.ablate_direction(tiny.direction())]
    revisions = [first_token_judge(tiny, edits).revision for edits in made]
    assert len(set(revisions)) == 3 and all("tiny" in revision for revision in revisions)
    assert tiny.direction().key in revisions[2]
    with pytest.raises(InputError):
        first_token_judge(tiny, Edits.ablate([Feature(0, 3)]))
