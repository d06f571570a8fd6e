"""A merged run as it comes into the store: as its shards computed it, and never under another's name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cache.store.database import Store
from cache.store.new_run import new_run
from cache.store.runs import Runs
from cache.store.shard_run import keep_run, read_run
from core.discovery.context import Inputs
from core.discovery.ledger import MemoryLedger, Row
from core.discovery.runner import run_steps
from core.errors import AssetError, InputError
from core.scale.files import RunFile
from core.scale.identity import identity_of
from core.scale.merge import Merged
from tests.small_search import INPUTS
from tests.small_shards import QUICK, fresh_work


@pytest.fixture
def runs(tmp_path):
    return Runs(Store(tmp_path / "runs.duckdb"))


@pytest.fixture(scope="module")
def run(tiny):
    work = fresh_work(tiny, QUICK)
    return RunFile(identity_of(work), INPUTS.to_json(), new_run(tiny, INPUTS, work.judge, "mine").to_values())


@pytest.fixture(scope="module")
def rows(tiny):
    work = fresh_work(tiny, QUICK)
    run_steps(work)
    return work.ledger


def merged(run, rows):
    return Merged(run, QUICK, 3, 3, "", MemoryLedger(rows))


def test_what_a_run_file_says_is_read(run, tmp_path):
    found = read_run(run, tmp_path / "run.json")
    assert found.record.to_values() == run.record and found.inputs == INPUTS


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("model", "another-model", r"another model \(another-model, here tiny\)"),
        ("revision", "a" * 40, "another model"),
        ("weights", "0" * 16, "other model files"),
        ("saes", "1:layer_9,2:layer_2,3:layer_3", "other SAEs"),
        ("sae_digests", "1:0,2:0,3:0", "other SAEs"),
        ("direction", "0" * 16, "another refusal direction"),
        ("dtype", "bfloat16", r"another number format \(bfloat16, here float32\)"),
        ("device", "cuda", "another kind of device"),
        ("versions", "hydrascope 0.0", "other versions"),
    ],
)
def test_a_record_that_says_otherwise_than_the_identity_is_refused(run, tmp_path, name, value, says):
    record = {**run.record, "source": {**run.record["source"], name: value}}
    with pytest.raises(AssetError, match=rf"run\.json was changed: its record has {says}"):
        read_run(run._replace(record=record), tmp_path / "run.json")


def test_another_judge_thinking_or_name_is_refused(run, tmp_path):
    def refused(says, **changes):
        with pytest.raises(AssetError, match=says):
            read_run(run._replace(record={**run.record, **changes}), tmp_path / "run.json")

    refused("another judge", judge=["wordings", *run.record["judge"][1:]])
    thought = {**run.record["source"], "versions": run.record["source"]["versions"] + ", thinking on"}
    refused("another choice of thinking", source=thought)
    refused("“20990101-000000-beef” is not the name of a run begun at", run="20990101-000000-beef")
    refused(r"cannot be read", source={})
    allowed = run._replace(identity=replace(run.identity, thinking="on"), record={**run.record, "source": thought})
    assert read_run(allowed, tmp_path / "run.json").record.source.versions.endswith("thinking on")


def test_good_rows_take_the_place_of_failed_ones_when_a_run_is_merged_again(runs, run, rows, tmp_path):
    """Merged three times: with failed rows and memory that ran out, with good ones, and with those again."""
    good, about = rows.every(), read_run(run, tmp_path)
    memory = Row("memory", "candidates/harmful/0000/256", {"tokens_per_forward": 256})
    failed = [
        memory,
        *(row._replace(value={}, error="Out of memory") if row.stage == "candidates" else row for row in good),
        Row("pruning", "harmful/0000", {}),  # what followed from the failed rows, and does not follow from the good
    ]
    first = keep_run(runs, merged(run, failed), about)
    assert any(row.error for row in first.read("candidates").values())
    for _ in range(2):
        ledger = keep_run(runs, merged(run, good), about)
        kept = runs.ledger(ledger.run)
        for stage in {row.stage for row in failed}:
            assert list(kept.read(stage).values()) == [row for row in good if row.stage == stage]
    assert [(one.run, one.state) for one in runs.all()] == [(about.record.run, "finished")]


def test_a_run_never_comes_under_the_name_of_another(runs, run, rows, tmp_path):
    about = read_run(run, tmp_path)
    keep_run(runs, merged(run, rows.every()), about)
    written = len(runs.store.rows("select * from run_rows"))
    others = (
        about._replace(inputs=Inputs(("one",), ())),
        about._replace(record=about.record._replace(made_at=about.record.made_at + timedelta(milliseconds=1))),
        about._replace(record=about.record._replace(source=replace(about.record.source, model="another"))),
    )
    for other in others:
        with pytest.raises(InputError, match=f"The store has another run with the name {about.record.run}"):
            keep_run(runs, merged(run, []), other)
    with pytest.raises(InputError, match="The store has another run"):
        keep_run(runs, merged(run, [])._replace(settings=replace(QUICK, seed=4)), about)
    assert len(runs.store.rows("select * from run_rows")) == written
