"""Answers are known by their text and, where it is known, by how they ended."""

from cache.store.pairs import Pair, digest
from core.answers.answer import Answer


def test_how_an_answer_ended_is_part_of_what_it_is_known_by():
    each = [Pair("a", "b"), *(Pair("a", Answer("b", ended)) for ended in (True, False))]
    assert len({pair.key for pair in each}) == 3 and Pair("a", Answer("b")).key == each[0].key
    assert each[0].keys == [pair.key for pair in each], "of a text alone, any ending will do"
    assert each[1].keys == [each[1].key]
    assert digest("b", "ended") != digest("b" + "ended") != digest("b")
