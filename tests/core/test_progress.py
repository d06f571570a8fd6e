"""Progress: what one part of the work tells is a share of the whole, and the two callables that do nothing."""

import pickle

import pytest

from core.progress import NEVER, QUIET, part


@pytest.fixture
def told():
    return []


@pytest.fixture
def progress(told):
    return lambda message, share: told.append((message, share))


def test_a_part_tells_shares_of_the_whole(told, progress):
    second = part(progress, 0.4, 0.5)
    for share in (0.0, 0.5, 1.0):
        second("packing", share)
    assert told == [("packing", pytest.approx(0.4)), ("packing", pytest.approx(0.65)), ("packing", pytest.approx(0.9))]


def test_the_whole_is_a_part_of_itself(told, progress):
    part(progress, 0.0, 1.0)("all of it", 0.25)
    assert told == [("all of it", 0.25)]


def test_parts_nest(told, progress):
    part(part(progress, 0.5, 0.5), 0.5, 0.5)("last quarter", 0.0)
    assert told == [("last quarter", 0.75)]


def test_what_nobody_asked_for_does_nothing_and_travels_between_processes():
    assert QUIET("anything", 0.5) is None
    assert NEVER() is False
    assert pickle.loads(pickle.dumps((QUIET, NEVER))) == (QUIET, NEVER)
