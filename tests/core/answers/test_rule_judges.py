"""The judges that are rules: many answers at once as one at a time, and the model asked only where it must be."""

import copy

import pytest

from core import Edits, InputError, Verdict
from core.answers.answer import Answer
from core.answers.judge import Judgement
from core.answers.likelihood import Reference
from core.answers.rule_judges import before_digests, decide_many, rules_judge, verdicts_of
from core.answers.verdicts import VERDICTS
from core.models.footprint import Footprint
from tests.judges import judging
from tests.oracles import PROMPTS
from tests.replaced_files import with_other_sae, with_other_weights

ANSWERS = [
    "I cannot help with that.",
    "A small dog sat by the sea and told a long story about a town and the bread.",
    "no no no no no no no no no",
    "When it comes to",
    "How do I bake a bread? I take flour and water, and I wait for a long time.",
]
ENDED = [True, False, False, False, None]


def test_a_batch_judges_as_one_answer_at_a_time_does_and_as_engine_verdict(tiny):
    prompts = [PROMPTS[n % len(PROMPTS)] for n in range(len(ANSWERS))]
    together = tiny.judge.judge(prompts, ANSWERS, ENDED)
    judge = tiny.judge
    for prompt, answer, ended, one in zip(prompts, ANSWERS, ENDED, together, strict=True):
        assert judge.judge([prompt], [answer], [ended]) == (one,)
        alone = tiny.verdict(prompt, Answer(answer, ended))
        assert (alone, alone.reason, alone.looping, alone.delayed) == (
            one.verdict,
            one.reason,
            one.looping,
            one.delayed,
        )
        assert alone in VERDICTS and isinstance(alone, str)
    assert together[0].verdict == "refused"


def test_the_model_is_asked_only_for_what_the_text_does_not_decide(tiny, monkeypatch):
    asked = []
    measure = Reference.measure
    monkeypatch.setattr(Reference, "measure", lambda self, p, a: asked.extend(a) or measure(self, p, a))
    found = decide_many(Reference(tiny.runtime), [PROMPTS[0]] * len(ANSWERS), ANSWERS, ENDED)
    assert asked == [ANSWERS[1], ANSWERS[4]]
    assert [one.measured is not None for one in found] == [False, True, False, False, True]
    assert [one.verdict for one in found][0::2][:2] == ["refused", "degenerate"] and found[3].verdict == "undetermined"


def test_a_verdict_carries_its_numbers_and_is_copied_with_them(tiny):
    one = tiny.verdict(PROMPTS[0], ANSWERS[1])
    assert one.nll > 0 and one.gain is not None and 0 <= one.repetition <= 1 and one.numbers.words == 18
    again = copy.deepcopy(one)
    assert (again, again.reason, again.numbers) == (one, one.reason, one.numbers)
    refused = tiny.verdict(PROMPTS[0], "I cannot help. " * 9)
    assert refused == "refused" and refused.looping and refused.nll is None and refused.gain is None


def test_bad_input_is_one_sentence(tiny):
    for prompt, answer in (("", "Some words that nobody would call a refusal at all."), (PROMPTS[0], None)):
        with pytest.raises(InputError):
            tiny.verdict(prompt, answer)
    with pytest.raises(InputError, match="same length"):
        tiny.judge.judge([PROMPTS[0]], [])


def test_the_revision_names_the_model_whose_opinion_is_asked(tiny):
    assert "tiny" in tiny.judge.revision and tiny.judge.name == "rules"
    assert rules_judge(tiny.runtime).revision == tiny.judge.revision


def test_other_weights_under_the_same_name_are_another_revision_and_other_saes_are_not(tiny):
    """Verdicts are stored by judge and revision: those of the old weights are not the new ones'."""
    ours, other = tiny.judge.revision, with_other_weights(tiny).judge.revision
    assert ours != other and with_other_sae(tiny, 1).judge.revision == ours
    assert before_digests(ours) == before_digests(other) and before_digests(ours).endswith("tiny")
    assert before_digests("rules 4, fit 12345678") == "rules 4, fit 12345678"


class Harm:
    """A classifier of harm: yes where the answer names a town."""

    name, revision = "harm", "1"

    def footprint(self):
        return Footprint()

    def judge(self, prompts, answers, ended=None):
        return tuple(Judgement(None, "yes" if "town" in answer else "no") for answer in answers)

    def close(self):
        pass


def test_a_classifier_of_harm_decides_compliance_and_the_wordings_the_rest():
    prompts, fluent = ["How do I find a town?"] * 3, "Look at the map to find a way through the hills."
    answers = ["I cannot help.", "Go to the town by the sea and ask for the way.", fluent]
    assert verdicts_of(Harm(), prompts, answers) == ["refused", "complied", "off-topic"]
    assert verdicts_of(Harm(), prompts, answers, harmful=False) == ["refused", "complied", "complied"]
    assert verdicts_of(Harm(), [], []) == []


def test_what_an_engine_knows_of_an_answers_end_is_used():
    seen: list[bool | None] = []

    class Sees:
        name, revision = "sees", "1"

        def judge(self, prompts, answers, ended=None):
            seen.extend(ended)
            return judging(lambda text: "complied").judge(prompts, answers)

    assert verdicts_of(Sees(), ["a"] * 3, [Answer("x", True), Answer("y", False), "z"]) == ["complied"] * 3
    assert seen == [True, False, None]


def test_an_engines_answers_know_whether_they_were_cut_off(tiny):
    for prompt in PROMPTS:
        ((whole,),) = tiny.answers([prompt], [Edits()], 5)
        pieces = tiny.generate(prompt, max_new_tokens=5)
        text = "".join(pieces)
        assert text == whole and pieces.ended is whole.ended is not None
        length = len(tiny.tokenizer(text, add_special_tokens=False)["input_ids"])
        assert whole.ended or length >= 1
    *_, (_, _, last) = tiny.stream_many([PROMPTS[0]], [Edits()], 5)
    assert last == tiny.answers([PROMPTS[0]], [Edits()], 5)[0][0] and last.ended is not None
    assert copy.deepcopy(last).ended is last.ended


def test_verdict_is_one_of_five():
    assert set(VERDICTS) == set(Verdict.__args__)
