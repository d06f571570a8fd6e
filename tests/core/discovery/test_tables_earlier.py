"""A folder with an earlier report: its other tables go, and nothing that is not its own does."""

import json
import shutil

import pandas as pd
import pytest

from core.discovery.tables.earlier import earlier_tables
from core.discovery.tables.export import write
from core.discovery.tables.table import Table

FACTS = {"run": "one", "model": "tiny"}


def table(name, value=1):
    return Table(name, name.title(), "", pd.DataFrame({"=n": [value], "what": ["a"]}))


@pytest.fixture
def folder(tmp_path):
    written = write([table("stage_1"), table("cost"), table("failures")], FACTS, tmp_path / "out")
    assert written.removed == [] and len(written.files) == 8
    return tmp_path / "out"


def names(folder):
    return {path.name for path in folder.iterdir()}


REPORT = {"report.md", "report.json"}


def both(*tables):
    return {f"{name}{ending}" for name in tables for ending in (".csv", ".parquet")}


def test_tables_that_the_new_report_lacks_are_removed_and_named(folder):
    written = write([table("stage_1", 2), table("new")], FACTS | {"run": "two"}, folder)
    assert {path.name for path in written.removed} == both("cost", "failures")
    assert names(folder) == REPORT | both("stage_1", "new")
    assert pd.read_csv(folder / "stage_1.csv")["run"].tolist() == ["two"]
    assert write([table("stage_1"), table("new")], FACTS, folder).removed == []


def test_files_of_others_are_left_alone(folder, tmp_path):
    """Whatever they are called, and whatever a report.json says of them."""
    (folder / "cost.csv").write_text("month,euro\nMay,3\n")  # in the place of a table, and no table of a report
    (folder / "cost.parquet").write_text("no table")
    (folder / "mine.csv").write_text("run,model\nx,y\n")  # looks like one, but no report named it
    (folder / "failures.parquet").unlink()
    (folder / "failures.parquet").mkdir()
    outside = tmp_path / "outside.csv"
    shutil.copy(folder / "failures.csv", outside)
    report = json.loads((folder / "report.json").read_text())
    report["tables"] |= {"../outside": [], str(outside.with_suffix("")): [], "": []}
    (folder / "report.json").write_text(json.dumps(report))
    assert [path.name for path in earlier_tables(folder)] == ["stage_1.csv", "stage_1.parquet", "failures.csv"]
    write([table("stage_1")], FACTS, folder)
    kept = {"cost.csv", "cost.parquet", "mine.csv", "failures.parquet"}
    assert names(folder) == REPORT | both("stage_1") | kept and outside.is_file()


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"facts": {}, "tables": {"cost": []}}', '{"facts": 1}', "\xff"]
)
def test_without_a_report_that_can_be_read_nothing_is_removed(folder, text):
    (folder / "report.json").unlink()
    if text is not None:
        (folder / "report.json").write_text(text, encoding="latin-1")
    assert earlier_tables(folder) == [] and write([table("new")], FACTS, folder).removed == []
    assert both("cost", "failures", "stage_1") <= names(folder)
