"""scripts/hydra/self_repair.py on the tiny model: it ends with tables, and goes on where it was stopped."""

import importlib
import json
from pathlib import Path

import pytest

from tests.oracles import PROMPTS

FOLDER = Path(__file__).resolve().parents[1] / "scripts" / "hydra"


@pytest.fixture
def script(monkeypatch, tiny, tmp_path):
    """run(*options) → what the JSON holds; every prompt counts as refused."""
    monkeypatch.syspath_prepend(str(FOLDER))
    module = importlib.import_module("self_repair")
    monkeypatch.setattr(module, "load", lambda name: tiny)
    monkeypatch.setattr(module, "refused", lambda engine, prompts, most: list(prompts)[:most])
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
    files = ["--prompts", str(tmp_path / "prompts.txt"), "--benign", str(tmp_path / "prompts.txt")]

    def run(*options):
        out = tmp_path / "found.json"
        monkeypatch.setattr("sys.argv", ["self_repair.py", *files, "--out", str(out), *options])
        module.main()
        return json.loads(out.read_text())

    return run


def test_it_ends_with_tables_and_measures_nothing_twice(script, capsys, tmp_path):
    found = script("--n", "4", "--layers", "2", "--k", "3", "--parts", "2")
    titles = [table["title"] for table in found["tables"]]
    assert titles[:2] == ["What is put back", "Dose"] and titles[-1] == "Calibration on benign prompts"
    assert "Holding them on the other 2 prompts" in titles
    assert all(len(row) == len(table["columns"]) for table in found["tables"] for row in table["rows"])
    rows = (tmp_path / "found.jsonl").read_text()
    assert len(rows.splitlines()) == 1 + 4 + 2 + 4
    (tmp_path / "found.jsonl").write_text("\n".join(rows.splitlines()[:3]) + "\n")
    capsys.readouterr()
    assert script("--n", "4", "--layers", "2", "--k", "3", "--parts", "2") == found
    assert "### Block by block: direction" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="other settings"):
        script("--n", "4", "--layers", "1", "--k", "3", "--parts", "2")
