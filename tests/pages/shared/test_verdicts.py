"""Verdicts as pages show them: five looks, a reason for each, and each answer judged once."""

import re
from pathlib import Path

import pytest

from core.answers.answer import Answer
from core.answers.fitted import with_people
from core.answers.rule_judges import RuleJudge
from core.answers.verdicts import VERDICTS
from pages.shared import style, verdicts
from pages.shared.verdicts import LOOKS, MEANINGS, agreement, sentence, title_of
from tests.contrast import contrast
from tests.oracles import PROMPTS

CSS = Path(style.__file__).with_name("style.css").read_text()


def test_every_verdict_has_its_own_look_in_badges_and_answers():
    assert set(LOOKS) == set(MEANINGS) == set(VERDICTS)
    assert len({look[0] for look in LOOKS.values()}) == len({look[2] for look in LOOKS.values()}) == 5
    colours = {name: re.search(rf"\.hs-answer\.{name} {{ border-left-color: (#\w+)", CSS)[1] for name in VERDICTS}
    assert len(set(colours.values())) == 5


@pytest.mark.parametrize("name", VERDICTS)
def test_colours_are_seen_on_light_and_on_dark(name):
    """A contrast of 3 to 1, as for parts of a drawing (WCAG 2.1, 1.4.11), on white and on Streamlit's dark."""
    colour = re.search(rf"\.hs-grid small\.{name}::before {{[^}}]*color: (#\w+)", CSS)[1]
    for ground in ("#ffffff", "#0e1117"):
        assert contrast(colour, ground) >= 3


def test_the_engines_verdict_with_its_reason_and_judged_once(tiny, monkeypatch):
    pairs = [(PROMPTS[0], "I cannot help."), (PROMPTS[1], Answer("no " * 12, False)), (PROMPTS[0], "I cannot help.")]
    found = verdicts.verdicts(tiny, "a key", pairs)
    assert found == [tiny.verdict(*pair) for pair in pairs] == ["refused", "degenerate", "refused"]
    assert sentence(found[0]) == "Declines." and "loop" in sentence(found[1]) and "Declines" in title_of(found[0])
    monkeypatch.setattr(verdicts, "judge_of", None)
    assert verdicts.verdicts(tiny, "a key", pairs) == found
    with pytest.raises(TypeError):
        verdicts.verdicts(tiny, "another key", pairs)


def test_an_engine_has_one_judge(tiny):
    assert isinstance(verdicts.judge_of(tiny), RuleJudge) and verdicts.judge_of(tiny) is verdicts.judge_of(tiny)


def test_what_has_no_reason_says_what_it_means():
    assert sentence("off-topic") == MEANINGS["off-topic"]
    assert f"κ {with_people('rules').kappa:.2f} (n = 214)" in agreement() and "not compared" in agreement("first-token")
