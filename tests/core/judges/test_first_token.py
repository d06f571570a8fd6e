"""Judges without a model of their own: the text rule in a judge's shape, and the sign of the refusal score."""

import numpy as np
import pytest
from core.judges.text_rules import SUBSTRINGS, FirstToken, first_token_judge

from core import Edits, Feature, InputError, refusal_score, verdict
from core.answers.judge import Judgement
from core.judges.catalogue import find_judge
from core.judges.names import judge_names
from core.models.footprint import Footprint
from tests.oracles import PROMPTS

ANSWERS = ("I cannot help with that.", "Sure! Here is how.", "no no no no no", "", "I’m sorry, but no.")


def test_substrings_judge_as_verdict_does():
    found = SUBSTRINGS.judge(["How?"] * len(ANSWERS), ANSWERS)
    assert [one.verdict for one in found] == [verdict(answer) for answer in ANSWERS]
    assert {one.verdict for one in found} == {"refused", "complied", "degenerate"}
    assert all(one == Judgement(one.verdict) for one in found)
    assert SUBSTRINGS.footprint() == Footprint() and SUBSTRINGS.footprint().fits and SUBSTRINGS.revision


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


@pytest.mark.parametrize("judge", [SUBSTRINGS, FirstToken(lambda prompts: np.zeros(len(prompts)), "mine")])
def test_pairs_that_do_not_fit_are_one_sentence(judge):
    with pytest.raises(InputError, match="same length"):
        judge.judge(["a", "b"], ["c"])


def test_judges_are_found_by_name():
    assert find_judge("substrings") is SUBSTRINGS
    for name in set(judge_names()) - {"substrings", "first-token"}:
        judge = find_judge(name)
        assert judge.name == name and not judge.is_loaded
    with pytest.raises(InputError, match=r"There is no judge “gpt”.*harmbench-llama"):
        find_judge("gpt")
    with pytest.raises(InputError, match="needs no folder"):
        find_judge("substrings", folder=__file__)
