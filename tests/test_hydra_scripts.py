"""The scripts of scripts/hydra and scripts/prompts on the tiny model: they end with tables, and go on where stopped."""

import importlib
import json

import pytest

from core.errors import InputError
from core.paths import PROGRAM_FOLDER
from tests.oracles import PROMPTS

SCRIPTS = PROGRAM_FOLDER / "scripts"


@pytest.fixture
def script(monkeypatch, tiny, tmp_path):
    """script(name) → (its module with the tiny model, run(*options)); every prompt counts as refused."""
    monkeypatch.syspath_prepend(str(SCRIPTS / "hydra"))
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
    files = ["--prompts", str(tmp_path / "prompts.txt"), "--benign", str(tmp_path / "prompts.txt")]

    def prepared(name):
        module = importlib.import_module(name)
        monkeypatch.setattr(module, "load", lambda model: tiny)
        for found in ("refused", "refused_answers"):
            monkeypatch.setattr(module, found, lambda engine, prompts, most, *_: list(prompts)[:most], raising=False)

        def run(*options):
            monkeypatch.setattr("sys.argv", [f"{name}.py", *files, *options])
            module.main()

        return module, run

    return prepared


@pytest.fixture
def repair(script, tmp_path):
    """repair(*options) → what the JSON holds."""
    _, run = script("self_repair")

    def made(*options):
        out = tmp_path / "found.json"
        run("--out", str(out), *options)
        return json.loads(out.read_text())

    return made


def test_it_ends_with_tables_and_measures_nothing_twice(repair, capsys, tmp_path):
    found = repair("--n", "4", "--layers", "2", "--k", "3", "--parts", "2")
    titles = [table["title"] for table in found["tables"]]
    assert titles[:2] == ["What is put back", "Dose"] and titles[-1] == "Calibration on benign prompts"
    assert "Holding them on the other 2 prompts" in titles
    assert all(len(row) == len(table["columns"]) for table in found["tables"] for row in table["rows"])
    rows = (tmp_path / "found.jsonl").read_text()
    assert len(rows.splitlines()) == 1 + 4 + 2 + 4
    (tmp_path / "found.jsonl").write_text("\n".join(rows.splitlines()[:3]) + "\n")
    capsys.readouterr()
    assert repair("--n", "4", "--layers", "2", "--k", "3", "--parts", "2") == found
    assert "### Block by block: direction" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="other settings"):
        repair("--n", "4", "--layers", "1", "--k", "3", "--parts", "2")


def test_heads_are_measured_once_and_told_with_their_control(script, capsys, tmp_path):
    _, run = script("heads")
    out = tmp_path / "heads.jsonl"
    options = ("--n", "2", "--k", "2", "--least", "-100", "--out", str(out))
    run(*options)
    told = capsys.readouterr().out
    assert all(
        f"### {title}" in told for title in ("What wakes", "Do the woken features matter?", "Cut the heads", "Dose")
    )
    lines = out.read_text().splitlines()
    assert len(lines) == 1 + 2
    out.write_text("\n".join(lines[:2]) + "\n")
    run(*options)
    assert capsys.readouterr().out == told


def test_recovery_of_reference_answers_is_a_table_of_its_own(script, capsys):
    heads, _ = script("heads")
    gaps = {"woken": [2.0, 1.5, 1.0], "random": [2.0, 2.5, 1.0], "aligned": [2.0, 1.0, 1.0], "all": [2.0, 2.0, 1.0]}
    heads.recovery([{"gaps": gaps}, {"gaps": {}}])
    told = capsys.readouterr().out
    assert "| nearest the direction | 50.0% (n = 1) |" in told and "| as many random active ones | -50.0%" in told
    heads.recovery([{"gaps": {}}])
    assert not capsys.readouterr().out


def test_a_clamp_is_tried_on_every_attack_and_a_second_time_read_from_what_is_kept(script, capsys, tmp_path):
    module, run = script("bos_defence")
    out = tmp_path / "defence.duckdb"
    options = ("--n", "2", "--per-layer", "2", "--k", "2", "--values", "2", "--scaled", "1", "--first", "1")
    options += ("--lookalikes", str(tmp_path / "prompts.txt"), "--out", str(out))
    run(*options)
    told = capsys.readouterr()
    assert f"### Attack: {module.COST}" in told.out and "clamp always on" in told.out
    assert all(f": {attack.name}" in told.out for attack in module.ATTACKS)
    run(*options)
    again = capsys.readouterr()
    assert again.out == told.out and told.err and not again.err


@pytest.fixture
def draw(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS / "prompts"))
    return importlib.import_module("draw")


def test_the_bundled_draw_is_the_same_every_time_and_of_the_test_split(draw):
    harmful, benign = draw.from_bundled()
    rows = {(row.kind, row.text): row.split for row in draw.read_shipped(draw.prompts_file())}
    assert {rows["harmful", text] for text in harmful} == {rows["benign", text] for text in benign} == {"test"}
    assert len(set(harmful)) == len(set(benign)) == draw.BUNDLED
    assert (harmful, benign) == draw.from_bundled()


def test_the_published_draw_leaves_out_what_is_bundled_and_what_is_long(draw, tmp_path):
    bundled = draw.from_bundled()[0][0]
    (tmp_path / "harmful_train.txt").write_text("\n".join([bundled, *(f"harm {n}" for n in range(180))]))
    (tmp_path / "harmful_val.json").write_text(json.dumps([{"instruction": f"more harm {n}"} for n in range(40)]))
    (tmp_path / "harmless_val.txt").write_text("\n".join([*(f"plain {n}" for n in range(130)), "long " * 90]))
    harmful, benign = draw.from_arditi(tmp_path)
    assert (len(set(harmful)), len(set(benign))) == (draw.HARMFUL, draw.BENIGN)
    assert bundled not in harmful and max(map(len, benign)) < draw.LONGEST
    (tmp_path / "harmless_val.txt").unlink()
    with pytest.raises(InputError, match=r"no file harmless_val\.txt"):
        draw.from_arditi(tmp_path)
