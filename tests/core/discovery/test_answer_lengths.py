"""Verdicts against answer length: a prefix is the shorter answer, and the table says which length is enough."""

import pytest

from core import Edits
from core.answers.generate import answers_at
from core.discovery.answer_lengths import CONDITIONS
from core.discovery.ledger import Row
from core.discovery.tables.lengths import lengths, shortest_enough
from core.discovery.tables.report import tables
from tests.oracles import PROMPTS

LENGTHS = (2, 5, 9)


class MemoryLedger:
    """Rows in memory."""

    def __init__(self):
        self.rows = {}

    def read(self, stage):
        return {row.item: row for row in self.rows.get(stage, [])}

    def append(self, rows):
        for one in rows:
            self.rows.setdefault(one.stage, []).append(one)


def test_a_prefix_of_a_greedy_answer_is_the_shorter_answer(tiny):
    sets = [Edits(), Edits.ablate_direction(tiny.direction())]
    made = [tiny.prompt(text) for text in PROMPTS]
    found = answers_at(tiny.runtime, made, sets, LENGTHS)
    for place, length in enumerate(LENGTHS):
        alone = tiny.answers(PROMPTS, sets, length)
        for row, expected in zip(found, alone, strict=True):
            assert [one[place] for one in row] == expected
            assert [one[place].ended for one in row] == [one.ended for one in expected]


def row(n, *verdicts):
    judged = dict(zip(("24", "64", "128"), verdicts, strict=True))
    return Row("lengths", f"harmful/{n:04}", {CONDITIONS[0]: judged, CONDITIONS[1]: judged})


def test_the_table_counts_every_verdict_and_says_which_length_is_enough():
    ledger = MemoryLedger()
    ledger.append([row(n, "refused", "refused", "refused") for n in range(8)])
    ledger.append([row(8, "undetermined", "complied", "complied"), row(9, "complied", "complied", "degenerate")])
    (table,) = [one for one in tables(ledger) if one.name == "lengths"]
    frame = table.frame[table.frame["answers"] == CONDITIONS[0]]
    assert frame["tokens"].tolist() == [24, 64, 128] and (frame["n"] == 10).all()
    assert frame["refused"].tolist() == [8, 8, 8] and frame["undetermined"].tolist() == [1, 0, 0]
    assert frame["as at the longest"].tolist() == [8, 9, 10] and frame["share alike"].tolist() == pytest.approx(
        [0.8, 0.9, 1]
    )
    assert (frame["low"] <= frame["share alike"]).all() and (frame["share alike"] <= frame["high"]).all()
    assert shortest_enough(table.frame) == 64 and "64 tokens is the shortest" in table.note


def test_without_rows_there_is_no_table():
    assert not len(lengths(MemoryLedger()).frame)


def test_where_no_shorter_length_is_enough_the_table_says_so():
    ledger = MemoryLedger()
    ledger.append([row(n, "undetermined", "refused", "complied") for n in range(4)])
    assert shortest_enough(lengths(ledger).frame) == 128 and "No shorter length" in lengths(ledger).note
