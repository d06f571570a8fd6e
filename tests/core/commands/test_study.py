"""`hydrascope study`: made, listed, computed and written without a browser, and every way in which it cannot be."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from cache.store.database import shared_store
from cache.store.judgements import Judgements
from cache.store.studies import Studies
from core.commands.command_line import main
from core.study.answers import NONE
from tests.conftest import PAGE_MODEL
from tests.judges import SUBSTRINGS

PAIRS = [("How?", "I cannot help with that.", "refused"), ("Why?", "Because it rains.", "complied")]


@pytest.fixture
def answers(tmp_path, on_page_model):
    path = tmp_path / "answers.csv"
    pd.DataFrame(PAIRS, columns=["prompt", "response", "verdict"]).to_csv(path, index=False)
    return path


def annotated(name: str, *people: str) -> str:
    """Everybody chooses the truth on every item."""
    studies = Studies(shared_store())
    identifier = studies.find(name)
    for who in people:
        for number, item in enumerate(studies.get(identifier).items):
            studies.annotate(identifier, who, number, item.truth, True, "test")
    return identifier


def test_a_study_of_features_from_start_to_results(on_page_model, tmp_path, capsys):
    few = ["--each", "2", "--active", "3", "--silent", "1", "--training", "1"]
    assert main(["study", "features", "pilot", "--model", PAGE_MODEL, *few]) == 0
    told = capsys.readouterr().out
    assert "The study “pilot” has" in told and "1 for training" in told
    study = Studies(shared_store()).get(Studies(shared_store()).find("pilot"))
    assert study.model == PAGE_MODEL and study.facts["SAEs"] and all(item.feature for item in study.items)
    assert main(["study", "features", "pilot", "--model", PAGE_MODEL, *few]) == 2
    assert "already a study called “pilot”" in capsys.readouterr().err

    assert main(["study", "results", "pilot"]) == 0
    assert "annotators: none yet" in capsys.readouterr().out
    annotated("pilot", "Ada", "Ben")
    assert main(["study", "results", "pilot", "--out", str(tmp_path / "out.json")]) == 0
    told = capsys.readouterr().out
    assert "Score of the majority, as in the paper: 100.0%" in told and "The majority scores more" in told
    whole = json.loads((tmp_path / "out.json").read_text())
    assert whole["annotators"] == {"Ada": len(study.main), "Ben": len(study.main)}
    assert whole["score"]["credit"]["value"] == 1 and whole["Krippendorff alpha, nominal"]["value"] == 1
    assert main(["study", "list"]) == 0
    assert "Ada, Ben" in capsys.readouterr().out


def test_given_features_stand_among_random_ones(on_page_model, capsys):
    given = ["--features", "1-3,2-5, 1-3", "--active", "1", "--silent", "0", "--training", "0"]
    assert main(["study", "features", "mine", "--model", PAGE_MODEL, *given]) == 0
    study = Studies(shared_store()).get(Studies(shared_store()).find("mine"))
    assert {item.feature for item in study.items if item.group == "given"} == {"1-3", "2-5"}
    assert len(study.items) == 3 and study.facts["features"] == "features named by hand (2)"


def test_a_study_of_answers_with_a_judge(answers, tmp_path, capsys):
    assert main(["study", "answers", "verdicts", "--file", str(answers), "--count", "5"]) == 0
    printed = capsys.readouterr()
    assert "has 2 answers and 5 for training" in printed.out
    assert "wants 5 answers, but there are only 2" in printed.err
    prompts, texts, _ = zip(*PAIRS, strict=True)
    Judgements(shared_store()).judge(SUBSTRINGS, prompts, texts)
    annotated("verdicts", "Ada", "Ben", "Cyd")
    assert main(["study", "results", "verdicts", "--out", str(tmp_path / "out.csv")]) == 0
    told = capsys.readouterr().out
    assert "The majority has the known verdict on 100.0% (2 of 2" in told
    assert "With the judge substrings: κ = 1.000" in told
    table = pd.read_csv(tmp_path / "out.csv")
    assert set(table["truth"]) == {"refused", "complied"} and set(table["majority"]) == {"refused", "complied"}
    assert NONE not in set(table["by Ada"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["results", "nothing"], "There is no study “nothing” in this store. The studies are: none yet"),
        (["results", "nothing", "--out", "x.txt"], "does not end in .json or .csv"),
        (["features", "x", "--run", "1", "--features", "1-2"], "cannot be used together"),
        (["features", "x", "--run", "1"], "There is no run “1”"),
        (["features", "x", "--features", "a"], "“a” is not a feature"),
        (["features", "x", "--least", "2"], "between 0 and 1"),
        (["features", "x", "--each", "-1"], "negative"),
        (["answers", "x", "--file", "gone.csv"], "gone.csv cannot be read"),
        (["answers", "x", "--file", "gone.csv", "--run", "1"], "cannot be used together"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(on_page_model, arguments, sentence, capsys):
    assert main(["study", *arguments]) == 2
    told = capsys.readouterr().err
    assert sentence in told and "Traceback" not in told
