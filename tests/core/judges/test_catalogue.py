"""Judges by name, each in a judge's shape, and what cannot be asked of them."""

import numpy as np
import pytest

from core import InputError
from core.judges.catalogue import find_judge
from core.judges.first_token import FirstToken
from core.judges.names import NEED_ENGINE, NEED_NOTHING, judge_names
from core.models.footprint import Footprint
from tests.judges import SUBSTRINGS

ANSWERS = ("I cannot help with that.", "Sure! Here is how.", "no no no no no", "", "I’m sorry, but no.")


@pytest.mark.parametrize("name", NEED_NOTHING)
def test_a_rule_needs_no_model_and_says_why(name):
    judge = find_judge(name)
    found = judge.judge(["How?"] * len(ANSWERS), ANSWERS)
    assert [one.verdict for one in found] == ["refused", "complied", "degenerate", "degenerate", "refused"]
    assert judge.footprint() == Footprint() and judge.footprint().fits and judge.revision
    assert name == "substrings-0.1" or all(one.reason for one in found)


@pytest.mark.parametrize("judge", [SUBSTRINGS, FirstToken(lambda prompts: np.zeros(len(prompts)), "mine")])
def test_pairs_that_do_not_fit_are_one_sentence(judge):
    with pytest.raises(InputError, match="same length"):
        judge.judge(["a", "b"], ["c"])


def test_judges_are_found_by_name(tiny):
    for name in judge_names():
        judge = find_judge(name, engine=tiny)
        assert judge.name == name
    for name in set(judge_names()) - {*NEED_ENGINE, *NEED_NOTHING}:
        assert not find_judge(name).is_loaded
    for name in NEED_ENGINE:
        with pytest.raises(InputError, match="Load that model first"):
            find_judge(name)
    with pytest.raises(InputError, match=r"There is no judge “gpt”.*harmbench-llama"):
        find_judge("gpt")
    with pytest.raises(InputError, match="needs no folder"):
        find_judge("substrings", folder=__file__)
