"""Facts beside every row of a table's files, and none of its own columns lost."""

import json

import numpy as np
import pandas as pd
import pytest

from cache.store.database import Store
from cache.store.run_file import add_run
from cache.store.runs import Runs
from core.card.run import run_tables
from core.discovery.tables.earlier import earlier_tables
from core.discovery.tables.export import as_json, with_facts, write
from core.discovery.tables.report import tables
from core.discovery.tables.table import Table
from core.paths import assets_folder


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """(tables, facts) of the run that is shipped."""
    store = Store(tmp_path_factory.mktemp("store") / "runs.duckdb")
    run = add_run(store, assets_folder() / "demo" / "example_run.json")
    yield tables(Runs(store).ledger(run)), Runs(store).facts(run)
    store.close()


def test_every_column_of_every_table_of_a_run_is_in_its_files(example, tmp_path):
    found, facts = example
    assert any(set(table.frame.columns) & set(facts) for table in found), "some have a column that is called as a fact"
    write(found, facts, tmp_path)
    for table in found:
        stored = pd.read_parquet(tmp_path / f"{table.name}.parquet")
        pd.testing.assert_frame_equal(stored[list(table.frame.columns)], table.frame, check_dtype=False)
        names = stored.columns[len(table.frame.columns) :]
        assert [stored[name].unique().tolist() for name in names] == [[fact] for fact in facts.values()]
        assert pd.read_csv(tmp_path / f"{table.name}.csv").columns.tolist() == stored.columns.tolist()
    assert {path.stem for path in earlier_tables(tmp_path)} == {table.name for table in found}


def test_a_fact_that_is_called_as_a_column_has_a_column_of_its_own():
    machines = Table("machines", "Machines", "", pd.DataFrame({"machine": ["a", "a"], "seed": [1, 2]}))
    frame = with_facts(machines, {"run": "one", "seed": "0"})
    assert list(frame) == ["machine", "seed", "run", "run's seed"]
    assert frame["seed"].tolist() == [1, 2] and frame["run's seed"].tolist() == ["0", "0"]


def test_json_keeps_every_bit_of_a_number():
    values = [5.684e-14, 1.8189894035458565e-12, 1 / 3, 123456.123456789, 0.0, float("nan"), float("inf"), -2.5e-300]
    frame = pd.DataFrame({"p": values, "n": np.arange(8), "yes": [True, False] * 4, "word": ["a", None] * 4})
    frame["maybe"] = pd.array([1, None] * 4, dtype="Int64")
    table = Table("controls", "Controls", "", frame)
    rows = json.loads(as_json([table], {}))["tables"]["controls"]
    assert [row["p"] for row in rows] == [*values[:5], None, None, values[-1]]
    assert [list(row.values())[1:] for row in rows[:2]] == [[0, True, "a", 1], [1, False, None, None]]
    (kept,) = run_tables([table])
    assert [row["p"] for row in kept.rows] == [*values[:5], None, None, values[-1]]
