"""Whether a judge or a converted model fits, by what it takes and what is free. Others: tests/pages/test_models.py."""

import pytest

from core.models.footprint import Footprint, footprint, judge_footprint
from core.models.registry import find_spec
from tests.shipped_model import NAME, put_weights_here


@pytest.mark.parametrize(
    ("weights", "free", "fits"),
    [
        (10**6, 402_000_000, True),
        (10**6, 400_000_000, False),
        (14 * 10**9, 16 * 10**9, False),
        (14 * 10**9, 17 * 10**9, True),
    ],
)
def test_weights_and_working_space_must_fit(monkeypatch, weights, free, fits):
    monkeypatch.setattr("core.devices.free_memory", lambda device: free)
    found = judge_footprint(weights)
    assert found.fits is fits and ("does not fit" in found.verdict) is not fits


def test_it_says_what_is_short_and_how_to_mend_it(monkeypatch):
    monkeypatch.setattr("core.devices.free_memory", lambda device: 2 * 10**9)
    text = judge_footprint(10 * 10**9).verdict
    assert "11.5 GB" in text and "2.0 GB is free" in text and "unload the current model" in text
    assert Footprint().fits and Footprint().verdict == "It needs no memory." and Footprint().summary == "no model"


def test_what_was_kept_is_brought_up_to_date(monkeypatch):
    monkeypatch.setattr("core.devices.free_memory", lambda device: 10**6)
    before = judge_footprint(10**9)
    monkeypatch.setattr("core.devices.free_memory", lambda device: 10**12)
    assert not before.fits and before.at_present().fits and before.at_present().weights == before.weights


def test_a_model_that_has_to_be_converted_says_what_that_takes(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    before = footprint(find_spec(NAME))
    assert before.download > 10**9 and before.disk - before.packing == 5_000_000_000 and before.memory == 5_700_000_000
    put_weights_here(tiny_folder)
    after = footprint(find_spec(NAME))
    assert (after.download, after.converting, after.disk) == (0, 0, after.packing) and after.memory < before.memory
    assert footprint(find_spec("demo")).download > 0, "another model's files are not the demo's"
