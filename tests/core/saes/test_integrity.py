"""Damaged records of the right size: noticed when they are read, put aside, packed again; never a number from them."""

import json

import numpy as np
import pytest
import torch

from core.errors import AssetError
from core.saes import packed
from core.saes.integrity import READING, WRITING, Integrity, record_sums
from tests.core.saes.random_source import D_MODEL, D_SAE, IDENTITY, Source

BLOCK, SIZE = 8, 4 * (2 * D_MODEL + 2)


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "PACKED_AT_ONCE", BLOCK)
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))


def opened(source):
    return packed.read_records(IDENTITY, 1, "here", source)


def damage(at, to=b"\0" * 4):
    path = packed.records_path(IDENTITY)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(to)
    return path


def asides():
    return list(packed.records_path(IDENTITY).parent.glob("*.records.aside-*"))


READS = {
    "columns": lambda dictionary: torch.cat([part.reshape(-1) for part in dictionary.columns(list(range(D_SAE)))]),
    "encoders": lambda dictionary: torch.cat([part.reshape(-1) for part in dictionary.encoders(0, D_SAE)]),
    "decoders": lambda dictionary: dictionary.decoders(slice(0, D_SAE)).reshape(-1),
    "some decoders": lambda dictionary: dictionary.decoders(np.array([17, 3])).reshape(-1),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("when", ["before it was opened", "after it was opened"])
@pytest.mark.parametrize("place", range(0, SIZE, 4))
def test_whatever_is_damaged_the_right_numbers_are_read(read, when, place):
    good = READS[read](opened(Source()))
    dictionary = opened(Source())
    data = packed.records_path(IDENTITY).read_bytes()
    damage(17 * SIZE + place)
    if when == "before it was opened":
        dictionary = opened(Source())
    assert torch.equal(READS[read](dictionary), good)
    # A half that was not read was not compared, so a damage there may still lie in the file.
    assert bool(asides()) is (packed.records_path(IDENTITY).read_bytes() == data)


def test_a_single_bit_and_a_zeroed_file():
    good = opened(Source()).columns([17])
    path = packed.records_path(IDENTITY)
    bit = bytearray(path.read_bytes())
    bit[17 * SIZE + 5] ^= 1
    for data in (bytes(bit), bytes(len(bit))):
        path.write_bytes(data)
        found = opened(Source()).columns([17])
        assert all(torch.equal(one, other) for one, other in zip(found, good, strict=True))
        assert data in [aside.read_bytes() for aside in asides()]


def test_without_its_source_a_damaged_record_is_one_sentence():
    opened(Source())
    damage(17 * SIZE)

    def gone():
        raise AssetError("There is no SAE in there.")

    dictionary = packed.read_records(IDENTITY, 1, "here", gone)
    assert dictionary.columns([3]).encoder.shape == (1, D_MODEL)  # what is whole can be read
    with pytest.raises(AssetError, match="damaged at feature 17 and were put aside, but cannot be packed again"):
        dictionary.columns([17])


def test_records_of_an_earlier_version_are_compared_with_their_blocks_once():
    good = opened(Source()).columns([17])
    path = packed.records_path(IDENTITY)

    def as_before():
        path.with_suffix(".sums").unlink()
        header = packed.header_of(IDENTITY)
        del header["digest"], header["record_sums"]
        path.with_suffix(".json").write_text(json.dumps(header))

    as_before()
    again = Source()
    assert torch.equal(opened(again).columns([17]).encoder, good.encoder) and not again.read
    as_before()
    damage(17 * SIZE)
    assert torch.equal(opened(again).columns([17]).encoder, good.encoder) and again.read and asides()


@pytest.mark.parametrize("name", ["d_model", "output_bias", "subtracts_bias"])
def test_a_changed_header_is_not_believed(name):
    opened(Source())
    side = packed.records_path(IDENTITY).with_suffix(".json")
    header = packed.header_of(IDENTITY)
    changed = {"d_model": 4.0, "output_bias": [9, 9, 9, 9], "subtracts_bias": False}[name]
    side.write_text(json.dumps(header | {name: changed}))
    assert packed.header_of(IDENTITY) is None or name == "d_model"
    assert opened(Source()).output_bias.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("part", range(4))
def test_numbers_that_are_not_finite_are_refused(value, part):
    source = Source()
    source.parts[part][21] = value
    if part == 3 and value == value:  # a threshold that nothing passes, or none
        assert opened(source).columns([21]).threshold.item() == value
        return
    with pytest.raises(AssetError, match=r"not finite .* in feature 21"):
        opened(source)


def test_only_what_is_read_is_compared_and_only_once():
    records = np.arange(12, dtype=np.float32).reshape(2, 6)
    checks = Integrity(opened(Source()).path, record_sums(records), lambda number: None)
    records[1, 2] = 7.0  # in the decoder
    assert checks.first_bad(records, slice(0, 2), (READING,)) is None
    assert checks.first_bad(records, np.array([0]), (WRITING,)) is None
    assert checks.first_bad(records, slice(0, 2), (READING, WRITING)) == 1
    records[0, 0] = 7.0
    assert checks.first_bad(records, slice(0, 1), (READING,)) is None
    checks.forget()
    assert checks.first_bad(records, slice(0, 1), (READING,)) == 0


def test_what_another_process_packed_in_its_place_is_not_read_as_this_sae():
    """Also of records that were compared before: the file is mapped again for every read."""
    dictionary, other = opened(Source()), Source()
    good = dictionary.columns([17])
    other.parts[0][17] += 1
    packed.read_records(IDENTITY | {"bytes": 9}, 1, "here", other)
    with pytest.raises(AssetError, match="SAE of layer 1 was replaced after the model was loaded"):
        dictionary.columns([17])
    packed.records_path(IDENTITY).unlink()
    same = opened(Source())  # the same numbers, packed anew, go on
    assert torch.equal(dictionary.columns([17]).encoder, good.encoder) and same.path == dictionary.path
