"""Whether a judge fits, by what it takes and what is free. A model's footprint: tests/pages/test_models.py."""

import pytest

from core.models.footprint import Footprint, judge_footprint


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
    assert "11.5 GB" in text and "2.0 GB are free" in text and "model in use go" in text
    assert Footprint().fits and Footprint().verdict == "It loads nothing." and Footprint().summary == "no model"


def test_what_was_kept_is_brought_up_to_date(monkeypatch):
    monkeypatch.setattr("core.devices.free_memory", lambda device: 10**6)
    before = judge_footprint(10**9)
    monkeypatch.setattr("core.devices.free_memory", lambda device: 10**12)
    assert not before.fits and before.at_present().fits and before.at_present().weights == before.weights
