"""Everything of a small study together, as values, as rows and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pandas as pd
import pytest

from core import Feature, InputError
from core.answers.verdicts import VERDICTS
from core.judges.agreement import agreement
from core.labels.contexts import Context
from core.labels.notes import FeatureNote, Labels
from core.study.answers import NONE
from core.study.items import Annotation, Study, StudyItem, item_from_json, items_to_json
from core.study.making import Labelled, answer_items, answers_study, bundled_answers, feature_items, usable
from core.study.pool import Pool, PoolItem
from core.study.results import as_csv, as_json, results, rows
from core.study.taxonomy import FIVE, category_of


def chosen(*labels: str) -> frozenset[str]:
    return frozenset(labels)


def study() -> Study:
    truths = [chosen(FIVE[0]), chosen(*FIVE[:2]), chosen(NONE), chosen(FIVE[3])]
    items = [StudyItem("main", "pipeline" if n < 2 else "random", truth, f"1-{n}") for n, truth in enumerate(truths)]
    return Study("small", "features", FIVE, (StudyItem("training", "random", chosen(NONE), "1-9"), *items))


def said(*choices: frozenset[str] | None) -> dict[int, Annotation]:
    """Choices on the main items, in order; None is left out."""
    return {number: Annotation(choice, True) for number, choice in enumerate(choices, 1) if choice is not None}


ANNOTATIONS = {
    "Ada": said(chosen(FIVE[0]), chosen(FIVE[0]), chosen(NONE), None),
    "Ben": said(chosen(FIVE[0]), chosen(FIVE[0]), chosen(FIVE[1]), chosen(FIVE[2])),
    "Cyd": said(chosen(FIVE[4]), chosen(*FIVE[:2]), chosen(FIVE[2]), None),
    "Dee": {},
}


def test_everything_of_a_small_study():
    found = results(study(), ANNOTATIONS)
    assert found.annotators == {"Ada": 3, "Ben": 4, "Cyd": 3}
    assert (found.items, found.rated) == (4, 4)
    assert (found.decided.hits, found.decided.n) == (3, 4), "on the third item everybody says something else"
    assert found.scores.credit.value == pytest.approx((1 + 1 / 2 + 0 + 0) / 4)
    assert found.by_person["Ben"].credit.value == pytest.approx((1 + 1 / 2 + 0 + 0) / 4)
    assert found.by_person["Ada"].credit.n == 3
    assert {number: one.credit.value for number, one in found.by_number.items()} == {0: 0, 1: 1 / 2, 2: 1 / 2}
    assert {group: one.credit.n for group, one in found.by_group.items()} == {"pipeline": 2, "random": 2}
    assert found.chosen[FIVE[0]].hits == 2 and found.chosen[NONE].hits == 0
    assert found.kappa.n == 3 and found.alpha.n == 3


def test_what_is_not_done_and_the_training_do_not_count():
    open_ones = {who: {n: a._replace(done=False) for n, a in mine.items()} for who, mine in ANNOTATIONS.items()}
    training = {"Eve": {0: Annotation(chosen(NONE), True)}}
    for one in ({}, open_ones, training):
        found = results(study(), one)
        assert found.rated == 0 and not found.annotators and found.scores.credit.n == 0


def test_kappa_is_of_those_who_did_everything_where_there_are_two():
    done = {"Eve": said(*[chosen(FIVE[0])] * 4), "Fay": said(*[chosen(FIVE[0])] * 3, chosen(NONE))}
    alone, together = results(study(), done), results(study(), ANNOTATIONS | done)
    assert together.kappa.n == 4 and alone.kappa.n == 4
    people = {**done, "Ben": ANNOTATIONS["Ben"]}
    assert together.kappa == results(study(), people).kappa != alone.kappa, "Ben did everything too, Ada did not"
    assert together.alpha != results(study(), people).alpha, "α counts Ada's choices"


def test_csv_has_every_row_with_where_it_is_from():
    text = as_csv(replace(study(), facts={"truth": "from firing"}), ANNOTATIONS)
    table = pd.read_csv(StringIO(text), keep_default_na=False)
    assert list(table["truth"]) == [FIVE[0], f"{FIVE[0]}, {FIVE[1]}", NONE, FIVE[3]]
    assert set(table["study's truth"]) == {"from firing"} and set(table["study"]) == {"small"}


def test_rows_and_json_say_the_same():
    table = rows(study(), ANNOTATIONS)
    assert [row["majority"] for row in table] == [FIVE[0], FIVE[0], "", FIVE[2]]
    assert [row["score"] for row in table] == [1, 1 / 2, 0, 0]
    assert table[1]["by Cyd"] == f"{FIVE[0]}, {FIVE[1]}" and table[3]["by Ada"] == ""
    whole = json.loads(as_json(results(study(), ANNOTATIONS), ANNOTATIONS))
    assert whole["rows"] == table
    assert whole["score"]["credit"]["value"] == pytest.approx(3 / 8)
    assert whole["score by number of categories"]["1"]["credit"]["n"] == 2
    assert whole["by label"][FIVE[4]]["Fleiss kappa"]["n"] == 3
    nothing = json.loads(as_json(results(study(), {}), {}))
    assert nothing["score"]["credit"]["value"] is None, "NaN is no JSON"


def test_a_judge_is_compared_with_the_majority():
    verdicts = ["refused", "complied", "refused", "off-topic"]
    items = tuple(StudyItem("main", "main", prompt=f"prompt {n}", answer=f"answer {n}") for n in range(4))
    asked = Study("answers", "answers", VERDICTS, items)
    ours = {who: {n: Annotation(chosen(v), True) for n, v in enumerate(verdicts)} for who in ("Ada", "Ben")}
    ours["Ben"][3] = Annotation(chosen("complied"), True)  # no majority there
    found = results(asked, ours, {"rules": ["refused", "refused", "refused", "complied"], "silent": [None] * 4})
    assert found.judges["rules"].kappa == agreement(verdicts[:3], ["refused", "refused", "refused"]).kappa
    assert found.judges["silent"].n == 0
    assert not found.by_number


def test_items_come_back_from_json_as_they_went():
    item = StudyItem("main", "given", chosen(*FIVE[:2]), "12-40", "a <b> “label”", "x", (Context("a", "b", "c", 1.5),))
    assert [item_from_json(text) for text in items_to_json([item, study().items[0]])] == [item, study().items[0]]


KNOWN = {Feature(1, 1): "a ⟦b⟧ c → d, e", Feature(1, 2): "silent on the sample → f"}


class Notes:
    """Labels of two features, one of which never fired."""

    version = 0

    def __len__(self) -> int:
        return len(KNOWN)

    def label(self, feature: Feature) -> str:
        return KNOWN.get(feature, "")

    def note(self, feature: Feature) -> FeatureNote | None:
        contexts = tuple(Context("a", "b", "c", float(n)) for n in range(7))
        return FeatureNote(self.label(feature), 0.1, 2.0, contexts, "d, e") if feature in KNOWN else None


def test_a_feature_is_shown_by_label_and_five_samples_and_only_where_it_has_them():
    labels = Labels((Notes(),))
    assert [usable(labels)(Feature(1, n)) for n in (1, 2, 3)] == [True, False, False]
    (item,) = feature_items(Pool((PoolItem(Feature(1, 1), "main", "pipeline", chosen(FIVE[0])),), ()), labels)
    assert (item.feature, item.label, item.promoted, len(item.samples)) == ("1-1", "a ⟦b⟧ c", "d, e", 5)


def test_a_study_of_answers_asks_each_once_and_trains_on_others():
    pairs = (("p", "one"), ("p", "two"), ("p", "one"), ("q", "three"))
    study = answers_study("verdicts", Labelled(pairs, ("refused", "complied", "refused", ""), "a file"), count=10)
    assert {(i.answer, *i.truth) for i in study.items if i.part == "main"} == {
        ("one", "refused"),
        ("two", "complied"),
        ("three",),
    }
    assert [set(item.truth) for item in study.items if item.part == "training"] == [{v} for v in VERDICTS]
    assert study.notes == ("The study wants 10 answers, but there are only 3.",)
    assert study.facts["truth"] == "the verdict in the file, known of 2 of 3 answers"


def test_verdicts_that_contradict_each_other_are_told_and_an_empty_one_takes_nothing_away():
    pairs = (("p", "one"), ("p", "one"), ("p", "two"), ("p", "two"), ("q", "three"), ("q", "three"))
    said = ("refused", "", "refused", "complied", "", "off-topic")
    study = answers_study("verdicts", Labelled(pairs, said, "a file"), count=3)
    assert {(i.answer, *i.truth) for i in study.items if i.part == "main"} == {
        ("one", "refused"),
        ("two",),
        ("three", "off-topic"),
    }
    assert study.facts["truth"] == "the verdict in the file, known of 2 of 3 answers"
    (told,) = study.notes
    assert told.startswith("1 answer in a file with verdicts that contradict each other.")
    assert "“p”, with refused and complied" in told
    assert answers_study("shipped", bundled_answers(), count=400).notes == ()


def test_the_shipped_answers_are_never_both_training_and_asked():
    study = answers_study("verdicts", bundled_answers(), count=400, seed=3)
    assert len({(item.prompt, item.answer) for item in study.items}) == len(study.items) == 405


def test_answers_that_cannot_be_asked_about():
    with pytest.raises(InputError, match="no answers to label"):
        answer_items(Labelled((), (), "a file"))
    with pytest.raises(InputError, match="not a verdict"):
        answer_items(Labelled((("p", "a"),), ("rude",), "a file"))


def test_studies_that_cannot_be():
    with pytest.raises(InputError, match="needs a name"):
        replace(study(), name="  ")
    with pytest.raises(InputError, match="at least one item"):
        replace(study(), items=study().items[:1])
    with pytest.raises(InputError, match="not one of the labels"):
        replace(study(), labels=("x", "y"))


def test_the_bundled_categories_are_under_the_five():
    assert category_of("hate") == FIVE[0] and category_of("piracy") == FIVE[4]
    assert category_of("homonyms") is None, "a look-alike's kind is no harm"
