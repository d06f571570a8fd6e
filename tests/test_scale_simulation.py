"""The simulation of many workers: bounds that any schedule keeps."""

import pytest

from benchmarks import scale

PHASES = [[3.0, 1.0, 2.0, 2.0, 5.0], [1.0] * 20, [7.0]]


def test_one_worker_takes_the_sum_and_many_take_the_longest_of_each_phase():
    assert scale.simulate(PHASES, 1, 0.0) == (40.0, 0.0)
    assert scale.simulate(PHASES, 100, 0.0)[0] == 5.0 + 1.0 + 7.0


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 40])
def test_no_schedule_is_faster_than_its_work_or_slower_than_one_worker(workers):
    took, busy = scale.simulate(PHASES, workers, 0.01)
    bound = sum(max(sum(seconds) / workers, max(seconds)) for seconds in PHASES)
    assert bound <= took <= 40.0 + 26 * 0.01 and busy == pytest.approx(26 * 0.01)


def test_a_driver_that_needs_longer_than_the_groups_is_what_it_waits_for():
    assert scale.simulate([[1.0] * 50], 50, 1.0)[0] == pytest.approx(51.0)


def test_the_shipped_run_has_times_of_its_steps():
    settings, steps, groups = scale.measured(scale.FILE)
    assert settings.stages == (1, 2) and {"screen", "candidates", "pruning", "fixed"} <= set(steps)
    assert all(min(step.seconds) > 0 and step.kilobytes > 0 for step in steps.values())
    assert sum(len(rows) for rows in groups) > 100
