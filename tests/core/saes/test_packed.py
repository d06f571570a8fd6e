"""Packing: broken off anywhere it continues from there, what is damaged is noticed, and it is done once."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from core.errors import AssetError, Cancelled
from core.saes import packed
from core.saes.columns import Columns
from core.saes.formats.normal_form import SaeFile
from tests.core.saes.random_source import D_MODEL, D_SAE, IDENTITY, Source

BLOCK = 8


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """Small blocks, and a cache of its own."""
    monkeypatch.setattr(packed, "PACKED_AT_ONCE", BLOCK)
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))


def test_records_are_the_features_one_after_the_other():
    source = Source()
    header = packed.pack(source, IDENTITY)
    assert packed.records_path(IDENTITY).read_bytes() == source.bytes
    assert (header["d_sae"], header["d_model"], header["subtracts_bias"], header["output_bias"]) == (
        50,
        4,
        True,
        [0, 1, 2, 3],
    )
    assert packed.header_of(IDENTITY) == header and packed.check_records(IDENTITY) == len(source.bytes)
    assert [path.suffix for path in sorted(packed.records_path(IDENTITY).parent.iterdir())] == [
        ".json",
        ".lock",
        ".records",
        ".sums",
    ]


@pytest.mark.parametrize("broken_at", [0, 8, 24, 48])
def test_a_broken_off_packing_goes_on_where_it_was(broken_at):
    with pytest.raises(AssetError, match=r"No space left on device.*Free some disk space"):
        packed.pack(Source(fails_at=broken_at), IDENTITY)
    assert packed.header_of(IDENTITY) is None
    again = Source()
    packed.pack(again, IDENTITY)
    assert again.read == list(range(broken_at, D_SAE, BLOCK))
    assert packed.records_path(IDENTITY).read_bytes() == again.bytes


def test_a_stopped_packing_keeps_what_is_done():
    source, asked = Source(), iter([False, False, True])
    with pytest.raises(Cancelled, match="continues from there"):
        packed.pack(source, IDENTITY, cancelled=lambda: next(asked))
    again = Source()
    packed.pack(again, IDENTITY)
    assert source.read == [0, 8] and again.read == [16, 24, 32, 40, 48]


def test_a_killed_packing_goes_on_in_another_process(tmp_path):
    code = """
import sys, time, torch
from core.saes import packed
from tests.core.saes.random_source import IDENTITY, Source
packed.PACKED_AT_ONCE = 8
packed.pack(Source(seconds=0.2), IDENTITY, lambda done: print(done, flush=True))
"""
    root = Path(packed.__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, cwd=root, stdout=subprocess.PIPE, text=True
    )
    for _ in range(4):
        process.stdout.readline()
    process.kill()
    process.wait()
    process.stdout.close()
    again = Source()
    packed.pack(again, IDENTITY)
    assert again.read and again.read[0] >= 16 and again.read[-1] == 48
    assert packed.records_path(IDENTITY).read_bytes() == again.bytes


def test_another_source_is_packed_from_the_start():
    with pytest.raises(AssetError):
        packed.pack(Source(fails_at=24), IDENTITY)
    other = Source(seed=1)
    packed.pack(other, IDENTITY | {"size": 8})
    assert other.read[0] == 0 and packed.records_path(IDENTITY).read_bytes() == other.bytes
    assert packed.header_of(IDENTITY) is None


@pytest.mark.parametrize("damage", ["garble", "Shorten", "lengthen", "forget", "nonsense"])
def test_a_damaged_unfinished_file_never_ends_up_in_the_records(damage):
    with pytest.raises(AssetError):
        packed.pack(Source(fails_at=32), IDENTITY)
    path = packed.records_path(IDENTITY).with_suffix(".partial")
    data = path.read_bytes()
    if damage == "garble":
        path.write_bytes(data[:100] + b"xx" + data[102:])
    elif damage == "Shorten":
        path.write_bytes(data[:500])
    elif damage == "lengthen":
        path.write_bytes(data + b"more than was noted")
    elif damage == "forget":
        path.unlink()
    else:
        path.with_suffix(".partial.json").write_text('{"header": 3')
    again = Source()
    packed.pack(again, IDENTITY)
    assert packed.records_path(IDENTITY).read_bytes() == again.bytes


def test_damaged_records_are_found_and_packed_anew():
    packed.pack(Source(), IDENTITY)
    path = packed.records_path(IDENTITY)
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)
    with pytest.raises(AssetError, match="damaged from feature 16 on and were put aside"):
        packed.check_records(IDENTITY)
    assert [aside.read_bytes() for aside in path.parent.glob("*.records.aside-*")] == [bytes(data)]
    again = Source()
    packed.pack(again, IDENTITY)
    assert again.read[0] == 0 and packed.check_records(IDENTITY) == len(again.bytes)


def test_what_is_not_packed_cannot_be_checked():
    with pytest.raises(AssetError, match="not packed yet"):
        packed.check_records(IDENTITY)


def test_records_of_another_version_are_packed_anew():
    packed.pack(Source(), IDENTITY)
    side = packed.records_path(IDENTITY).with_suffix(".json")
    side.write_text(json.dumps(json.loads(side.read_text()) | {"version": 1}))
    assert packed.header_of(IDENTITY) is None


def test_two_who_want_the_same_take_turns():
    sources = [Source(seconds=0.02) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        headers = list(pool.map(lambda source: packed.pack(source, IDENTITY), sources))
    assert sum(bool(source.read) for source in sources) == 1 and all(header == headers[0] for header in headers)


def test_one_who_waits_can_be_stopped():
    slow, stop = Source(seconds=0.3), threading.Event()
    first = threading.Thread(target=packed.pack, args=(slow, IDENTITY))
    first.start()
    while not slow.read:
        time.sleep(0.01)
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(Cancelled, match="The wait"):
        packed.pack(Source(), IDENTITY, cancelled=stop.is_set)
    first.join()
    assert packed.header_of(IDENTITY) is not None


def test_half_precision_records_take_half_the_room():
    source = Source()
    half = Columns(*(part.half().float() for part in source.parts))
    source.parts = half
    packed.pack(lambda: SaeFile(D_MODEL, D_SAE, torch.zeros(4), False, "float16", "", source.block), IDENTITY)
    assert packed.records_path(IDENTITY).stat().st_size == D_SAE * (2 * D_MODEL + 2) * 2
