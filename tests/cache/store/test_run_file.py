"""A run as a file: out of one store, into another, once, and a damaged file in a sentence."""

from __future__ import annotations

import json

import pytest

from cache.store.database import Store
from cache.store.run_file import add_run, write_run
from cache.store.runs import Runs
from core import AssetError
from core.discovery.ledger import Row
from tests.small_search import INPUTS, SETTINGS


@pytest.fixture
def file(tiny, tmp_path):
    """A file with a finished run of two rows, and the store it is from."""
    runs = Runs(Store(tmp_path / "one.duckdb"))
    run = runs.create(tiny, INPUTS, SETTINGS, "mine")
    runs.ledger(run).append(
        [Row("screen", "harmful/0000", {"answer": "“No” \n"}), Row("screen", "benign/0000", None, "no")]
    )
    runs.set_state(run, "finished", "done")
    write_run(runs.store, run, tmp_path / "run.json")
    return tmp_path / "run.json", runs, run


def test_another_store_has_the_same_run_and_has_it_once(file, tmp_path):
    path, runs, run = file
    other = Runs(Store(tmp_path / "other.duckdb"))
    assert add_run(other.store, path) == add_run(other.store, path) == run
    assert other.all() == [runs.get(run)] and other.inputs(run) == runs.inputs(run)
    assert other.facts(run) == runs.facts(run)
    assert other.ledger(run).read("screen") == runs.ledger(run).read("screen")


def test_a_file_from_before_digests_is_taken(file, tmp_path):
    path, _, run = file
    found = json.loads(path.read_text())
    for name in ("weights", "sae_digests"):
        assert found["runs"][0].pop(name)
    path.write_text(json.dumps(found))
    other = Runs(Store(tmp_path / "other.duckdb"))
    assert other.get(add_run(other.store, path)).weights == "" and other.get(run).name == "mine"


@pytest.mark.parametrize("damage", ["cut", "format", "column", "missing"])
def test_a_damaged_file_is_one_sentence_and_no_run(file, tmp_path, damage):
    path, _, _ = file
    found = json.loads(path.read_text())
    if damage == "format":
        found["format"] = 99
    elif damage == "column":
        del found["runs"][0]["settings"]
    path.write_text(json.dumps(found)[: 200 if damage == "cut" else None])
    if damage == "missing":
        path.unlink()
    other = Runs(Store(tmp_path / "other.duckdb"))
    with pytest.raises(AssetError, match=r"run\.json cannot be read"):
        add_run(other.store, path)
    assert other.all() == []
