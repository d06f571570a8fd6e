"""Audits and named sets in the store: rows come back as they were, the newest of each first."""

import io
import math
from dataclasses import astuple, fields, replace

import pandas as pd
import pytest

from cache.store.audit_table import audit_table, files_of, gap_of
from cache.store.audits import Audit, Audits, SavedSet, written_turns
from cache.store.database import Store
from core.models.digest import Digests
from core.prompts.conversation import Conversation
from tests.cache.store.rows import audit

LOADED = Digests("w", {1: "a", 2: "b"})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hydrascope.duckdb"


def test_what_was_appended_comes_back_equal(path):
    audits = Audits(Store(path))
    first, second = audit("a"), audit("b", "12-40=6@bos", 1)
    audits.append(first)
    audits.append(second)
    assert audits.recent("tiny") == [second, first]
    assert audits.recent("another model") == []
    audits.store.close()
    assert Audits(Store(path)).recent("tiny") == [second, first]


def test_text_is_kept_only_when_given_and_as_it_is(path):
    audits = Audits(Store(path))
    odd = "'; drop table audits; -- \n<b>x</b> 😀 \x00"
    audits.append(replace(audit(odd), answer_after=odd))
    (found,) = audits.recent("tiny")
    assert (found.prompt, found.answer_before, found.answer_after) == (odd, None, odd)


def test_the_latest_of_a_prompt_and_edit_set_is_shown_and_all_are_kept(path):
    audits = Audits(Store(path))
    for second in range(3):
        audits.append(replace(audit("a", seconds=second), score_after=float(second)))
    audits.append(audit("a", "12-40", seconds=1))
    assert [(row.edits, row.score_after) for row in audits.recent("tiny")] == [("12-40", -2.0), ("", 2.0)]
    assert audits.count() == 4


def test_one_prompt_after_other_turns_or_thinking_is_another_audit(path):
    audits = Audits(Store(path))
    asked = Conversation((("user", "Why, “Ü”\ud800?"), ("assistant", 'No.\n"x"'), ("user", "a")))
    rows = [
        audit("a"),
        replace(audit("a", seconds=1), turns=written_turns(asked)),
        replace(audit("a", seconds=2), thinking=True),
        replace(audit("a", seconds=3), thinking=False),
        replace(audit("a", seconds=4), system=""),
    ]
    for row in [*rows, audit("a", seconds=5)]:
        audits.append(row)
    assert audits.recent("tiny") == [audits.all("tiny")[0], *reversed(rows[1:])]
    assert [row.asked for row in audits.recent("tiny")] == ["a", "a", "a", "a", asked]
    assert audits.store.rows("select count(*) from latest_audits") == [(5,)]
    read = pd.read_csv(io.StringIO(audit_table(audits.all("tiny"), LOADED).to_csv(index=False)))
    assert read["turns"].notna().to_list() == [False, False, False, False, True, False]
    assert read.loc[4, "turns"].startswith('["Why, “Ü”') and read["thinking"].notna().sum() == 2


def test_the_number_of_recent_rows_is_bounded(path):
    audits = Audits(Store(path))
    for number in range(5):
        audits.append(audit(str(number), seconds=number))
    assert [row.prompt for row in audits.recent("tiny", limit=2)] == ["4", "3"]


def test_an_audit_is_found_behind_any_number_of_repetitions(path):
    audits = Audits(Store(path))
    rows = [audit("first"), *(audit("again", seconds=second) for second in range(300)), audit("last", seconds=300)]
    audits.store.insert("audits", [astuple(row) for row in rows])
    for limit in (1, 2, 3, 9):
        last_of_each = "select prompt, max(rowid) from audits group by prompt order by 2 desc limit ?"
        in_sql = [prompt for prompt, _ in audits.store.rows(last_of_each, [limit])]
        found = audits.recent("tiny", limit)
        assert [row.prompt for row in found] == in_sql
        assert all(row.made_at == max(r.made_at for r in rows if r.prompt == row.prompt) for row in found)
    assert len(audits.recent("tiny")) == 3


def test_a_name_that_is_taken_is_numbered_and_no_set_is_lost(path):
    audits = Audits(Store(path))
    assert audits.save_set("tiny", LOADED, "mine", "1-1") == "mine"
    assert audits.save_set("tiny", LOADED, "mine", "1-2,1-3") == "mine (2)"
    assert audits.save_set("tiny", LOADED, "mine", "1-4") == "mine (3)"
    assert audits.save_set("tiny", LOADED, "mine", "1-2,1-3") == "mine (2)", "the same set is not there twice"
    assert audits.save_set("other", LOADED, "mine", "9-9") == "mine"
    kept = {one.name: one.edits for one in audits.saved_sets("tiny")}
    assert kept == {"mine": "1-1", "mine (2)": "1-2,1-3", "mine (3)": "1-4"} and len(audits.saved_sets("tiny")) == 3
    assert SavedSet("mine", "1-1", "w", "1:a,2:b") in audits.saved_sets("tiny")


def test_sets_and_audits_of_other_files_stay_beside_those_of_the_files_that_are_loaded(path):
    audits, other = Audits(Store(path)), LOADED._replace(saes={1: "a", 2: "x"})
    audits.save_set("tiny", LOADED, "mine", "1-1,2-2")
    audits.save_set("tiny", other, "mine", "2-3")
    assert [(one.edits, files_of(one, one.edits, other)) for one in audits.saved_sets("tiny")] == [
        ("2-3", "as loaded"),
        ("1-1,2-2", "other SAEs (layer 2)"),
    ]
    for digests in (LOADED, other):
        audits.append(replace(audit("a", "2-2"), weights=digests.weights, sae_digests=digests.sae_text))
    assert [row.sae_digests for row in audits.recent("tiny")] == ["1:a,2:x", "1:a,2:b"]
    assert audits.store.rows("select count(*) from latest_audits") == [(2,)]
    assert audits.store.rows("select count(*) from latest_sets") == [(2,)]


def test_which_files_an_audit_is_of():
    row = replace(audit("a"), weights="w", sae_digests="1:a,2:x")
    assert files_of(row, "1-4,direction", LOADED) == files_of(row, "", LOADED) == "as loaded", (
        "layer 2 has no part in it"
    )
    assert files_of(row, "1-4=6?2-3>1", LOADED) == "other SAEs (layer 2)"
    assert files_of(row, "2-4,1-4", Digests("v", {1: "b", 2: "b"})) == "other model files and other SAEs (layers 1, 2)"
    assert files_of(audit("a"), "2-4", LOADED) == "not known"
    table = audit_table([replace(row, edits="2-4"), audit("a")], LOADED)
    assert table["files"].to_list() == ["other SAEs (layer 2)", "not known"]
    assert table["sae_digests"].to_list() == ["1:a,2:x", ""]


def test_the_table_has_every_column_and_the_recovery_that_follows(path):
    audits = Audits(Store(path))
    plain, without = audit("a"), replace(audit("b", seconds=1), nll_unedited=None, nll_edited=None, nll_reference=None)
    guessed = replace(audit("c", seconds=2), nll_reference=0.0, nll_floor=True)
    no_gap = replace(audit("d", seconds=3), nll_reference=2.99)
    for row in (plain, without, guessed, no_gap):
        audits.append(row)
    assert audits.all("tiny") == [no_gap, guessed, without, plain] and audits.all("other") == []
    table = audit_table(audits.all("tiny"), None)
    assert list(table) == [*(field.name for field in fields(Audit)), "recovery", "files"]
    read = pd.read_csv(io.StringIO(table.to_csv(index=False))).set_index("prompt")
    assert read["recovery"].loc[["a", "c"]].to_list() == [0.5, pytest.approx(1 / 3)]
    assert read["recovery"].loc[["b", "d"]].isna().all()
    assert read.loc["c", "nll_floor"] in (True, "True") and read.loc["a", "reference_by"] == "a person"
    assert (read[["kl", "kl_low", "kl_high", "kl_prompts"]].to_numpy() == [0.02, 0.01, 0.03, 32]).all()
    assert gap_of(without) is None and math.isnan(gap_of(no_gap).recovery)
    assert list(audit_table([], LOADED)) == list(table)
