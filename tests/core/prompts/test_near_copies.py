"""Near copies: overlap by hand, and the fast way against comparing every pair."""

import random

import pytest

from core.prompts.near_copies import Nearest, nearest, overlap, words_of


def test_words_are_without_case_punctuation_and_apostrophes():
    assert words_of("Don\u2019t PANIC, don't panic! (2nd try)") == {"dont", "panic", "2nd", "try"}
    assert words_of("…?!") == frozenset()


def test_overlap_is_words_in_both_of_words_in_either():
    assert overlap("How do I bake bread?", "how do i BAKE a cake") == pytest.approx(4 / 7)
    assert overlap("one two", "two, one. One!") == 1.0
    assert overlap("", "one") == overlap("one", "two") == 0.0


def test_the_nearest_is_the_first_of_the_best():
    assert nearest(["a b c", "x", ""], ["a b", "b c", "c b a"]) == [Nearest(2, 1.0), Nearest(-1, 0.0), Nearest(-1, 0.0)]
    assert nearest(["a b"], ["a c", "b c"])[0] == Nearest(0, pytest.approx(1 / 3))
    assert nearest(["a"], []) == [Nearest(-1, 0.0)] and nearest([], ["a"]) == []


def test_it_is_what_comparing_every_pair_gives():
    draw = random.Random(1)
    texts = [" ".join(draw.choices("abcdefghij", k=draw.randint(1, 7))) for _ in range(2300)]
    ours, theirs = texts[:40], texts[40:]  # more than are compared at a time
    for text, found in zip(ours, nearest(ours, theirs), strict=True):
        every = [overlap(text, other) for other in theirs]
        assert found.overlap == pytest.approx(max(every)) and every[found.theirs] == pytest.approx(max(every))
