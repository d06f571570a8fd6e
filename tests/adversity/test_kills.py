"""kill -9 at any moment of anything that writes: another try ends as if nothing had happened, and what was said to be
kept is there."""

import random
import signal
import time

import pytest

from tests.adversity.broken_off import Moment, carry_out
from tests.adversity.report import note
from tests.adversity.writers import WRITERS, Place, make_place

LONG = 50
#: What takes seconds is killed once here, and fifty times in `make soak`.
SHORT = {"own models": 3, "the store": 3, "judging": 2, "packing SAEs": 2}


@pytest.fixture
def places(tiny_spec, files, tmp_path):
    """A cache folder of its own for each try."""

    def place(number) -> Place:
        return make_place(tiny_spec, tmp_path / f"cache-{number}", files)

    return place


def killed_at_random(name, kills, places):
    """(how often it was killed, what went wrong)."""
    writer, whole = WRITERS[name], places("whole")
    undisturbed = carry_out(name, whole)
    assert undisturbed.exit == 0, undisturbed.error
    right, wrong, count = writer.found(whole), [], 0
    for number in range(10 * kills):
        chance = random.Random(f"{name} {number}")
        at_step = undisturbed.steps and number % 2
        moment = (
            Moment(step=chance.randint(1, undisturbed.steps))
            if at_step
            else Moment(seconds=chance.uniform(0, undisturbed.seconds))
        )
        where = places(number)
        ended = carry_out(name, where, moment)
        if ended.exit == -signal.SIGKILL:
            count += 1
        lost = set(ended.kept) - writer.acknowledged(where)
        again = carry_out(name, where)
        same = again.exit == 0 and writer.found(where) == right
        if ended.error or lost or not same:
            wrong.append((moment, ended.error, lost, again.error, "same" if same else "other results"))
        if count == kills:
            break
    return count, wrong


@pytest.mark.parametrize("name", SHORT)
def test_another_try_ends_as_if_nothing_had_happened(name, places):
    count, wrong = killed_at_random(name, SHORT[name], places)
    assert not wrong and count == SHORT[name]


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", WRITERS)
def test_fifty_kills(name, places):
    begin = time.monotonic()
    count, wrong = killed_at_random(name, LONG, places)
    note(f"kill -9 at random moments: {name}", f"{count} kills", len(wrong), time.monotonic() - begin)
    assert not wrong and count == LONG
