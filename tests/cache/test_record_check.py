"""Records that nobody has read yet are compared with their checksums all the same, and packed again where damaged."""

from dataclasses import replace

import pytest

from cache import engines, record_check
from cache.record_check import RecordCheck
from core import load
from core.models import registry
from tests.waiting import until


@pytest.fixture
def records(tiny_spec, monkeypatch, tmp_path):
    """The packed records of the model “checked”, which is not loaded."""
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    monkeypatch.setattr(record_check, "AT_ONCE", 10)
    registry.register(replace(tiny_spec, name="checked"))
    engine = load("checked", device="cpu", dtype="float32")
    yield sorted(dictionary.path for dictionary in engine.runtime.dictionaries.values())
    engines.unload_all()


def aside(path):
    return list(path.parent.glob(f"{path.name}.aside-*"))


@pytest.mark.parametrize("place", [0, -1])
def test_a_damaged_record_is_packed_again_before_it_is_read(records, place):
    good = [path.read_bytes() for path in records]
    damaged = bytearray(good[1])
    damaged[place] ^= 4
    records[1].write_bytes(damaged)
    engines.get_engine("checked")
    until(lambda: aside(records[1]) and records[1].is_file() and records[1].read_bytes() == good[1], 30)
    assert [path.read_bytes() for path in records] == good
    assert not aside(records[0]) and aside(records[1])[0].read_bytes() == bytes(damaged)


def test_good_records_stay_and_what_is_stopped_lets_go(records, monkeypatch):
    monkeypatch.setattr(record_check, "SHARE", 1e-9)
    engine = load("checked", device="cpu", dtype="float32")
    check = RecordCheck(engine.runtime.dictionaries.values())
    check.stop()
    assert not any(map(aside, records))


def test_a_file_that_is_gone_ends_in_a_warning(records, caplog):
    engine = load("checked", device="cpu", dtype="float32")
    records[0].unlink()
    check = RecordCheck(engine.runtime.dictionaries.values())
    until(lambda: "can no longer be read" in caplog.text, 30)
    check.stop()
