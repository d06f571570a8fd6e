"""Readings of features on the disk: what comes back is what was kept, and a damaged file costs one reading."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.sparse import csc_array

from cache.store import readings
from core import Feature
from core.semantics.about import Measured
from core.semantics.firing import Firing
from core.statistics import Estimate


def measured(seed: int = 0) -> Measured:
    rng = np.random.default_rng(seed)
    places = [csc_array((rng.random((5, 12)) * (rng.random((5, 12)) > 0.6)).astype(np.float32)) for _ in range(3)]
    effects = (Estimate(-0.5, 3, -0.9, -0.1), None, Estimate(0.0, 2, float("nan"), float("nan")))
    sentences = {Feature(1, 3): "words for “bread”", Feature(2, 0): ""}
    return Measured(Firing(5, {1: 8, 2: 4}, tuple(places)), (Feature(2, 3),), effects, "a model", sentences)


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    return tmp_path / "readings"


def test_what_was_kept_comes_back_bit_for_bit():
    found = measured()
    readings.keep_reading("a", found)
    again = readings.kept_reading("a")
    assert readings.kept_reading("b") is None
    for one, other in zip(found.firing.places, again.firing.places, strict=True):
        assert one.dtype == other.dtype and np.array_equal(one.toarray(), other.toarray())
    assert (again.firing.prompts, again.firing.widths) == (5, {1: 8, 2: 4})
    assert (again.drawn, again.writer, again.sentences) == (found.drawn, found.writer, found.sentences)
    assert again.effects[:2] == found.effects[:2]
    assert again.effects[2][:2] == (0.0, 2) and np.isnan(again.effects[2].low)


def test_bytes_that_flipped_anywhere_cost_a_reading_and_never_give_another(folder, caplog):
    found = measured()
    readings.keep_reading("a", found)
    whole, lost = readings.reading_file("a").read_bytes(), 0
    for number in range(300):
        chance, damaged = random.Random(number), bytearray(whole)
        for _ in range(chance.choice([1, 2, 5])):
            damaged[chance.randrange(len(damaged))] ^= chance.randrange(1, 256)
        readings.reading_file("a").write_bytes(damaged)
        again = readings.kept_reading("a")
        lost += again is None
        if again is not None:
            assert (again.drawn, again.writer, again.sentences) == (found.drawn, found.writer, found.sentences)
            for one, other in zip(found.firing.places, again.firing.places, strict=True):
                assert np.array_equal(one.toarray(), other.toarray())
    assert lost > 150 and caplog.text.count("was put aside") == lost


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:200], lambda content: b"x" * 4096])
def test_a_damaged_file_is_put_aside_and_told(folder, caplog, damage):
    readings.keep_reading("a", measured())
    path = readings.reading_file("a")
    path.write_bytes(damage(path.read_bytes()))
    assert readings.kept_reading("a") is None and "was put aside" in caplog.text
    assert not path.exists() and len([one for one in folder.iterdir() if ".aside-" in one.name]) == 1


def test_the_oldest_leave(folder, monkeypatch):
    monkeypatch.setattr(readings, "MOST", 2)
    for number in range(4):
        readings.keep_reading(str(number), measured(number))
    assert len([*folder.glob("*.npz")]) == 2 and readings.kept_reading("3") is not None


def test_a_full_disk_costs_the_file_alone(folder, monkeypatch, caplog):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(readings, "write_whole", full)
    readings.keep_reading("a", measured())
    assert "could not be kept" in caplog.text and readings.kept_reading("a") is None
