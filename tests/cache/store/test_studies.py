"""Studies in the store: what was asked and chosen comes back, every click, also after kill -9."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from datetime import datetime

import pytest

from cache.store.database import Store
from cache.store.studies import Studies, checked_name
from core import InputError
from core.labels.contexts import Context
from core.study.answers import NONE
from core.study.items import Annotation, Study, StudyItem
from core.study.taxonomy import FIVE
from tests.forked import forked

SAMPLES = (Context("a ", "b", " <c>", 2.5), Context("“x”", " y", "\n", 1.0))
STUDY = Study(
    "Refusal features",
    "features",
    FIVE,
    (
        StudyItem("training", "random silent", frozenset({NONE}), "1-9", "…⟦x⟧", "p, q", SAMPLES),
        StudyItem("main", "pipeline", frozenset(FIVE[:2]), "1-1", "label", "p", SAMPLES),
        StudyItem("main", "random active", frozenset({FIVE[3]}), "2-2"),
    ),
    "tiny",
    {"categories": "from firing"},
    ("There are only 2.",),
)


@pytest.fixture
def studies(tmp_path):
    return Studies(Store(tmp_path / "studies.duckdb"))


def opened_again(studies: Studies) -> Studies:
    studies.store.close()
    return Studies(Store(studies.store.path))


def test_a_study_comes_back_equal(studies):
    identifier = studies.create(STUDY)
    again = opened_again(studies)
    assert again.get(identifier) == STUDY
    (listed,) = again.all()
    assert (listed.study, listed.name, listed.kind, listed.items) == (identifier, STUDY.name, "features", 2)
    assert listed.annotators == ()
    assert again.find(STUDY.name) == again.find(identifier) == identifier


def test_the_last_click_on_an_item_counts_and_every_click_is_kept(studies):
    identifier = studies.create(STUDY)
    clicks = [({FIVE[0]}, False), ({FIVE[0], FIVE[1]}, False), ({FIVE[1]}, False), ({FIVE[1]}, True)]
    for labels, done in clicks:
        studies.annotate(identifier, "Ben", 1, frozenset(labels), done, "tab 1")
    studies.annotate(identifier, "Ada", 0, frozenset({NONE}), True, "tab 2")
    again = opened_again(studies)
    assert again.annotations(identifier) == {
        "Ben": {1: Annotation(frozenset({FIVE[1]}), True)},
        "Ada": {0: Annotation(frozenset({NONE}), True)},
    }
    assert list(again.annotations(identifier)) == ["Ben", "Ada"], "in the order in which they began"
    assert again.mine(identifier, "Ada") == again.annotations(identifier)["Ada"]
    kept = again.store.rows("select choice, done from study_annotations where annotator = 'Ben' order by rowid")
    assert [(set(json.loads(choice)), done) for choice, done in kept] == clicks
    assert again.all()[0].annotators == ("Ada", "Ben")


def test_which_tab_chose_last(studies):
    identifier = studies.create(STUDY)
    assert studies.last_visit(identifier, "Ada") == ""
    for tab in ("one", "two"):
        studies.annotate(identifier, "Ada", 0, frozenset({NONE}), False, tab)
    assert studies.last_visit(identifier, "Ada") == "two"
    assert studies.last_visit(identifier, "Ben") == ""


def test_what_was_appended_last_is_last_whatever_the_clock_said(studies, monkeypatch):
    hours = iter(range(9, 0, -1))
    monkeypatch.setattr("cache.store.studies.now", lambda: datetime(2026, 1, 1, next(hours)))
    first = studies.create(STUDY)
    second = studies.create(replace(STUDY, name="Another"))
    assert [one.study for one in studies.all()] == [second, first], "newest first"
    for who, tab in (("Ben", "one"), ("Ada", "two"), ("Ben", "three")):
        studies.annotate(first, who, 0, frozenset({NONE}), False, tab)
    assert studies.last_visit(first, "Ben") == "three"
    assert list(studies.annotations(first)) == ["Ben", "Ada"], "in the order in which they began"


def _click_and_die(path, identifier: str) -> None:
    Studies(Store(path)).annotate(identifier, "Ada", 2, frozenset({FIVE[3]}), False, "tab")
    os.kill(os.getpid(), signal.SIGKILL)


def test_kill_9_after_a_click_loses_nothing(studies):
    identifier = studies.create(STUDY)
    studies.store.close()
    process = forked(_click_and_die, studies.store.path, identifier)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    found = Studies(Store(studies.store.path)).mine(identifier, "Ada")
    assert found == {2: Annotation(frozenset({FIVE[3]}), False)}


def test_two_studies_of_one_name_are_told(studies):
    studies.create(STUDY)
    with pytest.raises(InputError, match="already a study called “Refusal features”"):
        studies.create(STUDY)


def test_an_unknown_study_is_told_with_those_there_are(studies):
    with pytest.raises(InputError, match="The studies are: none yet"):
        studies.find("x")
    studies.create(STUDY)
    with pytest.raises(InputError, match="“Refusal features”"):
        studies.find("x")
    with pytest.raises(InputError, match="Choose one from the list"):
        studies.get("x")


def test_annotators_names():
    assert checked_name("  Ada   L. ") == "Ada L."
    assert checked_name("ada l.", ["Ben", "Ada L."]) == "Ada L.", "the same person, not a second one"
    for name, sentence in (("  ", "needs a name"), ("a\0b", "needs a name"), ("x" * 41, "41 letters")):
        with pytest.raises(InputError, match=sentence):
            checked_name(name)
