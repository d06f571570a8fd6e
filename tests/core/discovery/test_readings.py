"""The readings of the paper that a run took: a list, and settings that take the other one."""

from dataclasses import replace

import pytest

from core.discovery.ledger import to_json
from core.discovery.readings import readings
from core.discovery.settings import CHOICES, Settings
from core.discovery.stage2_pruning import READINGS
from core.discovery.tables.readings import chosen


def test_every_setting_that_is_a_reading_is_in_the_list():
    named = {name for reading in readings(Settings()) for name in reading.setting.split(", ") if name}
    assert named >= {*CHOICES, "reading", "main_threshold", "control_draws", "machine_seeds", "k_steps"}
    assert all(hasattr(Settings(), name) for name in named)


@pytest.mark.parametrize(("name", "values"), [*CHOICES.items(), ("reading", READINGS)])
def test_another_choice_is_another_line(name, values):
    lines = {
        to_json(next(r for r in readings(replace(Settings(), **{name: v})) if name in r.setting)._asdict())
        for v in values
    }
    assert len(lines) == len(values)


def test_layers_one_and_two_are_counted_from_one_or_from_zero():
    assert list(Settings().excluded_layers) == [0, 1]
    assert list(Settings(layers_counted_from=0).excluded_layers) == [1, 2]
    assert list(Settings(layers_counted_from=0, skip_layers=0).excluded_layers) == []
    assert "blocks 0 and 1" in readings(Settings())[0].chosen
    assert "blocks 1 and 2" in readings(Settings(layers_counted_from=0))[0].chosen


def test_the_table_says_what_the_paper_says_and_what_was_done():
    frame = chosen(Settings(step_two="left out")).frame.set_index("about")
    row = frame.loc["redundant features, step 2"]
    assert "ablate just the non-active set" in row["the paper"] and "left out" in row["this run"]
    assert row["setting"] == "step_two"
