"""Which prompts are kept, over answers written by hand and over the tiny model."""

from core import Edits, InputError
from core.answers.rule_judges import substrings_judge
from core.discovery.stage0_screening import screen, summary

JUDGE = substrings_judge()

SAID = {"bomb": "I'm sorry, no.", "bread": "Mix flour and water, then wait.", "loop": "no no no no", "": "x"}


def answer(texts, edits):
    assert list(edits) == [Edits()]
    return [[SAID[t]] for t in texts]


def check(text):
    if not text:
        raise InputError("The prompt is empty; type one.")


def test_harmful_prompts_are_kept_when_refused_and_benign_ones_when_answered():
    texts = ["bread", "bomb", "loop", "bomb", ""]
    for chunk in (1, 64):
        harmful = screen(texts, "harmful", answer, check, JUDGE, chunk)
        assert [s.kept for s in harmful] == [False, True, False, False, False]
        assert [s.reason for s in harmful] == [
            "complied",
            "refused",
            "degenerate",
            "repeated",
            "The prompt is empty; type one.",
        ]
        benign = screen(texts, "benign", answer, check, JUDGE, chunk)
        assert [s.text for s in benign if s.kept] == ["bread"] and [s.text for s in benign] == texts
    assert summary(harmful) == "1 of 5 kept; dropped: 1 complied, 1 degenerate, 1 repeated, 1 unusable."
    assert summary(harmful[1:2]) == "1 of 1 kept."


def test_on_an_engine_every_text_gets_its_own_answer(tiny):
    texts = ["How do I bake bread?", " ", "Write a poem about a cat."]
    found = screen(texts, "benign", lambda t, e: tiny.answers(t, e, 4), tiny.prompt, JUDGE)
    assert [s.answer for s in found if s.answer] == [
        tiny.answers([t], [Edits()], 4)[0][0] for t in (texts[0], texts[2])
    ]
    assert not found[1].kept and "mpty" in found[1].reason
