"""Answers of a file and of a run: which columns, which stages, and what cannot be used."""

import json

import pandas as pd
import pytest

from cache.store.answers import (
    all_of,
    answer_column,
    digest_of,
    file_answers,
    file_verdicts,
    is_unedited,
    run_answers,
    sentence_on_ends,
)
from cache.store.database import Store
from cache.store.pairs import Pair
from cache.store.runs import Runs
from core import InputError
from core.answers.answer import Answer
from core.discovery.ledger import Row
from core.prompts.files import read_file, read_prompts
from tests.small_search import INPUTS, SETTINGS


def read_answers(path, *columns):
    return file_answers(read_file(path), *columns)


def test_a_file_without_answers_or_with_holes_is_one_sentence(tmp_path):
    (tmp_path / "prompts.txt").write_text("How?\nWhy?")
    with pytest.raises(InputError, match="has no column answer or response"):
        read_answers(tmp_path / "prompts.txt")
    (tmp_path / "holes.jsonl").write_text('{"prompt": "a", "answer": "b"}\n{"prompt": "c", "answer": null}')
    with pytest.raises(InputError, match=r"Row 2 of holes\.jsonl has no prompt or no answer"):
        read_answers(tmp_path / "holes.jsonl")


def test_columns_are_found_by_their_usual_names_or_named(tmp_path):
    frame = pd.DataFrame({"goal": ["a", "b"], "Generation": ["x", ""], "note": ["p", "q"]})
    frame.to_parquet(tmp_path / "f.parquet")
    frame.to_csv(tmp_path / "f.csv", index=False)
    for name in ("f.parquet", "f.csv"):
        assert read_answers(tmp_path / name) == [("a", "x"), ("b", "")]
        assert read_answers(tmp_path / name, "note", "goal") == [("p", "a"), ("q", "b")]


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_file(tmp_path / "nowhere.csv")


def test_the_first_usual_name_wins_and_none_is_none():
    assert answer_column(read_prompts(b"prompt,Response,answer\na,b,c", "f.csv")) == "answer"
    assert answer_column(read_prompts(b"prompt,said\na,b", "f.csv")) is None


def test_a_runs_answers_are_told_apart_by_stage_and_side(tmp_path, tiny):
    runs = Runs(Store(tmp_path / "s.duckdb"))
    run = runs.create(tiny, INPUTS, SETTINGS)
    runs.ledger(run).append(
        [
            Row("screen", "harmful/0000", {"kept": True, "reason": "refused", "answer": "No."}),
            Row("screen", "harmful/0001", {"kept": False, "reason": "duplicate", "answer": ""}),
            Row("screen", "benign/0000", {"kept": True, "reason": "complied", "answer": "Yes."}),
            Row("candidates", "harmful/0000", {"k": 2, "answer": "So."}),
        ]
    )
    found = run_answers(runs, run)
    assert found == {
        "Screening prompts, harmful": [(INPUTS.harmful[0], "No.")],
        "Screening prompts, benign": [(INPUTS.benign[0], "Yes.")],
        "Stage 1: candidates, harmful": [(INPUTS.harmful[0], "So.")],
    }
    assert [is_unedited(part) for part in found] == [True, True, False]
    assert [pair.answer for pair in all_of(found)] == ["No.", "Yes.", "So."]


def test_answers_are_the_same_by_what_they_say():
    one, other = [Pair("a", "b"), Pair("c", "d")], [Pair("a", "b"), Pair("c", "e")]
    assert digest_of(one) == digest_of(tuple(one)) != digest_of(other)


def test_a_row_without_a_prompt_is_refused(tmp_path):
    (tmp_path / "f.csv").write_text("prompt,answer\na,x\n,y\n ,z\n")
    rows = [{"prompt": None, "answer": "x"}, {"prompt": "hi", "answer": None}, {"prompt": "", "answer": ""}]
    with pytest.raises(InputError, match=r"2 rows of f\.json without a prompt \(the first is row 1\)"):
        file_answers(read_prompts(json.dumps(rows).encode(), "f.json"))
    with pytest.raises(InputError, match=r"2 rows of f\.csv without a prompt \(the first is row 2\)"):
        read_answers(tmp_path / "f.csv")


def test_one_odd_verdict_is_refused_and_no_reason_to_forget_the_others():
    def verdicts(*labels, column="verdict"):
        rows = "".join(f"a,b,{label}\n" for label in labels)
        return file_verdicts(read_prompts(f"prompt,answer,{column}\n{rows}".encode(), "f.csv"))

    assert verdicts("refused", "", "Complied ") == ("refused", "", "complied")
    with pytest.raises(InputError, match=r"Row 3 of f\.csv has “unsure” in the column “verdict”, which is no verdict"):
        verdicts("refused", "complied", "unsure")
    assert verdicts("harmful", "benign", column="label") == ("", ""), "labels of another kind are none of ours"


def test_it_is_said_of_how_many_answers_nobody_knows_how_they_ended():
    pairs = [Pair("a", Answer("b", True)), Pair("a", "c"), Pair("a", Answer("d"))]
    assert sentence_on_ends(pairs).startswith("Whether 2 answers ended") and sentence_on_ends(pairs[:1]) == ""
