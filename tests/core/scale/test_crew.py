"""Who has which group, with a pool that is a list of what happens: order, what is done again, what is refused."""

from collections import deque

import pytest

from core.errors import Cancelled, ClusterError, InputError
from core.scale.cluster import Size
from core.scale.crew import TRIES, Crew, Task
from core.scale.events import Found, Lost, Refused

TASKS = [Task(f"Group {number}", (number,)) for number in range(12)]


class Scripted:
    """A pool of one worker that has two groups at once. tells: what comes of the group that was given, with its key."""

    size = Size(1, 1)

    def __init__(self, tells):
        self.tells, self.given, self.out = tells, [], deque()

    def free(self):
        return ["one"] if len(self.out) < 2 else []

    def give(self, member, key, group):
        assert group == (key,)
        self.given.append(key)
        self.out.append(key)

    def hear(self, seconds):
        return [self.tells(self.out.pop())]  # the later one first


def found(key):
    return Found(key, key * key)


def in_order(pool, checkpoint=lambda: None):
    return Crew(pool, "Add memory.").in_order(TASKS, checkpoint)


def test_results_come_in_order_and_each_group_once():
    pool = Scripted(found)
    assert list(in_order(pool)) == [key * key for key in range(12)]
    assert pool.given == list(range(12))


def test_nothing_is_given_out_far_ahead_of_what_is_missing():
    pool = Scripted(found)
    next(in_order(pool))
    assert max(pool.given) < 5


def test_a_group_that_is_lost_is_done_again_before_later_ones():
    lost = {3: 2}

    def tells(key):
        if lost.get(key, 0):
            lost[key] -= 1
            return Lost(key, True, "here", "killed")
        return found(key)

    pool = Scripted(tells)
    assert list(in_order(pool)) == [key * key for key in range(12)]
    assert pool.given.count(3) == 3 and len(pool.given) == 14


def test_a_group_that_ends_its_worker_again_and_again_is_one_sentence():
    pool = Scripted(lambda key: Lost(key, key == 1, "here", "killed") if key == 1 else found(key))
    with pytest.raises(ClusterError, match=f"Group 1 ended its worker {TRIES} times, .* here .killed.. Add memory"):
        list(in_order(pool))


def test_what_cannot_be_used_is_said_in_its_turn_after_all_before_it():
    pool = Scripted(lambda key: Refused(key, InputError("too long")) if key == 3 else found(key))
    kept = []
    with pytest.raises(InputError):
        for one in in_order(pool):
            kept.append(one)
    assert kept == [0, 1, 4], "as one process would have kept them"


def test_it_stops_where_it_is_asked_to():
    asked = iter([None, None, Cancelled("stop")])

    def checkpoint():
        if (found := next(asked)) is not None:
            raise found

    with pytest.raises(Cancelled):
        list(in_order(Scripted(found), checkpoint))
