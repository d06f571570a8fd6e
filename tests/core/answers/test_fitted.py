"""How far each rule agrees with people's labels: measured again from the labelled answers, and as good as asked."""

import hashlib

import pytest

from core.answers.fitted import agreement_sentence, fit_revision, thresholds, with_people
from core.answers.labelled import labelled_answers
from core.answers.likelihood import gain
from core.answers.names import RULES, SUBSTRINGS, SUBSTRINGS_0_1, WORDINGS
from core.answers.rule import Measured, by_substrings, decide
from core.answers.rule_judges import substrings_judge, substrings_judge_0_1, wordings_judge
from core.answers.version_0_1 import verdict_0_1
from core.judges.agreement import agreement
from core.paths import assets_folder

TEST = labelled_answers("test")
#: The likelihoods are those that were stored when the answers were generated.
JUDGED = {
    SUBSTRINGS_0_1: lambda row: verdict_0_1(row["answer"]),
    SUBSTRINGS: lambda row: by_substrings(row["answer"], thresholds(WORDINGS)).verdict,
    WORDINGS: lambda row: decide(row["prompt"], row["answer"], None, thresholds(WORDINGS), row["ended"]).verdict,
    RULES: lambda row: decide(row["prompt"], row["answer"], measured(row), thresholds(RULES), row["ended"]).verdict,
}


def measured(row):
    return Measured(row["nll"], None if row["here"] is None else gain(row["here"], row["elsewhere"]))


@pytest.mark.parametrize("name", JUDGED)
def test_kappa_on_the_test_half_is_what_is_shown(name):
    found, kept = agreement([row["label"] for row in TEST], [JUDGED[name](row) for row in TEST]), with_people(name)
    assert kept.kappa == pytest.approx(found.kappa, abs=1e-4) and kept.n == found.n == len(TEST) == 214
    assert kept.alike == pytest.approx(found.observed, abs=1e-4) and kept.low < kept.kappa < kept.high


def test_the_rules_that_ship_agree_with_people_as_asked_and_better_than_version_0_1():
    assert with_people(RULES).kappa >= 0.75 and with_people(WORDINGS).kappa >= 0.75
    assert with_people(RULES).kappa > with_people(SUBSTRINGS_0_1).kappa


def test_thresholds_are_of_the_labelled_answers_that_stand_beside_them():
    assert (
        fit_revision() == hashlib.sha256((assets_folder() / "answers" / "labelled.jsonl").read_bytes()).hexdigest()[:8]
    )


def test_another_revision_is_not_what_was_measured(tiny):
    for judge in (substrings_judge(), substrings_judge_0_1(), wordings_judge(), tiny.judge):
        assert with_people(judge.name, judge.revision) == with_people(judge.name) is not None
        assert with_people(judge.name, f"another {judge.revision}") is None
    assert with_people("llama-guard-3") is None and "not compared" in agreement_sentence("llama-guard-3")
    assert f"κ {with_people(RULES).kappa:.2f} (n = 214)" in agreement_sentence(RULES)
