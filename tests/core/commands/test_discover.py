"""`hydrascope discover`: a run without a browser, how it ends, and a run that is killed and goes on."""

import json
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import torch

from cache.store import database as stores
from cache.store import provenance
from cache.store.runs import Runs
from core import load
from core.commands.command_line import main
from core.commands.discover import prompts_in
from core.discovery import groups
from core.discovery.context import Inputs
from core.discovery.settings import Settings
from core.edits.direction import make_direction, save_direction
from core.models import registry
from core.versions import versions
from tests.command_words import changed
from tests.forked import running_command
from tests.small_search import TEXTS, use_small_judge

QUICK = [
    "--set",
    "tokens=4",
    "--set",
    "k_steps=[2,5,9]",
    "--set",
    "thresholds=[0.001,0.01]",
    "--set",
    "seeds=[0,1]",
    "--set",
    "interaction_steps=[5,10]",
    "--set",
    "probe_steps=[5]",
    "--set",
    "least_tokens=[1]",
    "--set",
    "embedding_sizes=[3]",
    "--set",
    "embedding_size=3",
    "--set",
    "epochs=2",
    "--set",
    "cost_sets=1",
    "--set",
    "k_beside=[3]",
    "--set",
    "control_draws=2",
    "--set",
    "machine_seeds=2",
]


@pytest.fixture
def home(tmp_path, monkeypatch, tiny_spec):
    """A cache folder of its own with the tiny model's direction in it, and files of prompts."""
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    registry.register(tiny_spec)
    direction = make_direction(torch.randn(32, generator=torch.Generator().manual_seed(9)), 2)
    save_direction(direction, tmp_path / "cache" / "directions" / "tiny.safetensors")
    (tmp_path / "harmful.txt").write_text("\n".join(TEXTS[:32]))
    pd.DataFrame({"number": range(40), "goal": TEXTS[30:70]}).to_csv(tmp_path / "benign.csv")
    yield tmp_path
    stores.close_all()


@pytest.fixture
def arguments(home):
    return [
        "discover",
        "--model",
        "tiny",
        "--harmful",
        str(home / "harmful.txt"),
        "--benign",
        str(home / "benign.csv"),
        *QUICK,
    ]


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["--harmful", "nowhere.txt"], "cannot be read"),
        (["--set", "tokens"], "is not a setting"),
        (["--set", "colour=1"], "Unknown settings"),
        (["--set", "tokens=5"], "--set gives “tokens” twice"),
        (["--stages", "1", "--set", "stages=[1,2]"], "--stages and --set both give the stages"),
        (["--benign", "HARMFUL"], "Every harmful prompt stands in the benign list too"),
        (["--stages", "3"], "Each stage builds on the one before"),
        (["--resume", "nothing"], "--harmful does nothing with --resume"),
        (["--stability", "a", "b"], "--harmful does nothing with --stability"),
        (["--column", "missing"], "no text column"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_2(arguments, capsys, extra, says):
    extra = [word.replace("HARMFUL", arguments[4]) for word in extra]
    given = [*arguments, *extra] if extra[0] == "--set" else changed(arguments, *extra)
    assert main(given) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--resume", "nothing"], "no run “nothing”"),
        (["--repeat", "run.json"], "--model does nothing with --repeat"),
        (["--stability", "a", "b"], "--model does nothing with --stability"),
        (["--shard", "1/2", "--out", "HOME/out", "--ray"], "--ray does nothing with --shard"),
        (["--resume", ""], "--resume is empty"),
        (["--harmful", ""], "--harmful is empty"),
        (["merge", "HOME"], "--model does nothing with merge"),
        (["--column", "goal"], "--column does nothing without --harmful"),
        (["--harmful", "HOME/harmful.txt", "--benign-column", "goal"], "--benign-column does nothing without --benign"),
        (["--benign", "HOME/benign.csv", "--out", "HOME"], "a table could overwrite it"),
    ],
)
def test_options_that_do_nothing_are_refused(home, capsys, words, says):
    assert main(["discover", "--model", "tiny", *(word.replace("HOME", str(home)) for word in words)]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_a_card_decides_the_direction_too(home, capsys):
    assert main(["discover", "--repeat", "run.json", "--compute-direction"]) == 2
    assert "--compute-direction does nothing with --repeat" in capsys.readouterr().err


def test_bundled_prompts_need_a_model_that_has_some(home, capsys):
    assert main(["discover", "--model", "tiny"]) == 2
    assert "--harmful" in capsys.readouterr().err


def test_a_run_writes_its_tables_and_says_where_it_is(arguments, home, capsys, monkeypatch):
    use_small_judge(monkeypatch)
    assert main([*arguments, "--out", str(home / "out"), "--name", "a try"]) == 0
    told = capsys.readouterr()
    assert "is finished" in told.out and "Stage 2: pruning: " in told.err and "\r" not in told.err
    names = {path.stem for path in (home / "out").glob("*.parquet")}
    assert names >= {
        "prompts",
        "stage_1",
        "stage_2",
        "stage_3",
        "random",
        "direction",
        "machines",
        "probe",
        "cost",
        "inert",
        "fixed",
        "controls",
        "machine_seeds",
        "readings",
    }
    assert "failures" not in names
    report = json.loads((home / "out" / "report.json").read_text())
    assert report["facts"]["model"] == "tiny" and report["tables"]["stage_2"][0]["n"] > 0


def test_a_run_is_not_resumed_with_other_files_and_one_from_before_digests_says_so(home, capsys, monkeypatch):
    use_small_judge(monkeypatch)
    engine, runs = load("tiny", "cpu", "float32"), Runs(stores.shared_store())
    run = runs.create(engine, Inputs(tuple(TEXTS[:3]), ()), Settings(stages=(1,), tokens=3, k_steps=(2,)))
    resume = ["discover", "--model", "tiny", "--resume", run]
    runs.store.rows("update runs set sae_digests = replace(sae_digests, '2:', '2:0')")
    assert main(resume) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert f"Run {run} was begun with other SAEs (layer 2) than “tiny” has now" in told
    assert runs.ledger(run).read("screen") == {} and runs.get(run).state == "stopped"
    runs.store.rows("update runs set weights = '', sae_digests = ''")
    assert main(resume) == 0
    assert f"Run {run} is from a version that kept no digests of weights and SAEs" in capsys.readouterr().err


def test_a_run_is_resumed_with_its_own_model_where_none_is_named(home, capsys, monkeypatch):
    use_small_judge(monkeypatch)
    runs = Runs(stores.shared_store())
    run = runs.create(load("tiny", "cpu", "float32"), Inputs(tuple(TEXTS[:3]), ()), Settings(stages=(1,), tokens=3))
    loaded = []
    monkeypatch.setattr(
        "core.engine.load", lambda name, *more, **named: loaded.append(name) or load(name, *more, **named)
    )
    assert main(["discover", "--resume", run]) == 0 and runs.get(run).state == "finished"
    assert main(["discover", "--resume", "nothing"]) == 2 and loaded == ["tiny"]
    assert "no run “nothing”" in capsys.readouterr().err


@pytest.fixture
def stopped(arguments, home, capsys, monkeypatch):
    """A run of Stage 1 that was stopped in the middle; its identifier."""
    use_small_judge(monkeypatch)
    with monkeypatch.context() as patch:
        whole, begun = groups.carry_out, []

        def until_stopped(work, step, items):
            if len(begun) == 3:
                raise KeyboardInterrupt
            begun.append(step)
            return whole(work, step, items)

        patch.setattr(groups, "carry_out", until_stopped)
        assert main([*arguments, "--stages", "1"]) == 130
    told = capsys.readouterr().err.splitlines()
    assert "Continue with --resume" in told[-1]
    assert any("2 prompts stand in the harmful and in the benign list, and were left out" in line for line in told)
    return told[-1].split()[-1]


def test_a_run_is_not_resumed_in_another_number_format(stopped, home, capsys, monkeypatch):
    resume = ["discover", "--model", "tiny", "--resume", stopped, "--out", str(home / "out")]

    def kept():
        return stores.shared_store().rows("select stage, item from run_rows order by rowid")

    before = kept()
    monkeypatch.setenv("HYDRASCOPE_DTYPE", "bfloat16")
    assert main(resume) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert f"Run {stopped} was computed in float32 on cpu, and here it would go on in bfloat16 on cpu" in told
    assert kept() == before and not (home / "out").exists()
    monkeypatch.delenv("HYDRASCOPE_DTYPE")
    assert main(resume) == 0
    monkeypatch.setenv("HYDRASCOPE_DTYPE", "bfloat16")
    assert main(resume) == 0, "nothing is left to compute, so its tables can be written anywhere"
    assert set(pd.read_csv(home / "out/prompts.csv")["number format"]) == {"float32 on cpu"}


def test_a_run_resumed_with_other_versions_names_both(stopped, home, capsys, monkeypatch):
    monkeypatch.setattr(provenance, "versions", lambda: versions() | {"transformers": "9.9"})
    assert main(["discover", "--model", "tiny", "--resume", stopped, "--out", str(home / "out")]) == 0
    mine = f"transformers {versions()['transformers']}"
    assert f"Run {stopped} was begun with {mine}; here it is transformers 9.9." in capsys.readouterr().err
    (said,) = set(pd.read_csv(home / "out/prompts.csv")["versions"])
    assert said.count("; resumed with ") == 1 and mine in said and said.endswith("transformers 9.9")


def test_tables_of_an_earlier_run_do_not_stay_beside_the_new_ones(arguments, home, capsys, monkeypatch):
    use_small_judge(monkeypatch)
    out = home / "out"
    assert main([*arguments, "--stages", "1,2", "--out", str(out)]) == 0
    assert (out / "stage_2.csv").exists()
    (out / "notes.csv").write_text("mine\n")
    assert main([*arguments, "--stages", "1", "--out", str(out)]) == 0
    told = capsys.readouterr().err
    assert "Tables of an earlier report that this one does not have were removed from" in told
    assert "stage_2.csv, stage_2.parquet" in told and not (out / "stage_2.csv").exists()
    (run,) = {name for path in out.glob("*.parquet") for name in pd.read_parquet(path)["run"]}
    assert run in told and (out / "notes.csv").read_text() == "mine\n"


def test_a_store_that_another_process_keeps_is_exit_3(arguments, home, capsys):
    code = "import duckdb, sys, time; held = duckdb.connect(sys.argv[1]); print('open', flush=True); time.sleep(60)"
    path = home / "cache" / stores.FILE
    path.parent.mkdir(exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == "open\n"
            assert main(arguments) == 3
        finally:
            other.kill()
    assert "Another Hydrascope process" in capsys.readouterr().err


def rows(cache: Path) -> list[tuple]:
    if not (cache / stores.FILE).exists():
        return []  # killed before it had begun
    with duckdb.connect(str(cache / stores.FILE), read_only=True) as connection:
        return connection.execute("select stage, item, value, error from run_rows order by rowid").fetchall()


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_row_for_row_as_an_uninterrupted_one(arguments, home, tiny_spec):
    """kill -9, at moments that differ each time; then the same rows in the same order, to the last digit."""
    direction = home / "cache" / "directions" / "tiny.safetensors"
    for name in ("whole", "killed"):
        (home / name / "directions").mkdir(parents=True)
        (home / name / "directions" / direction.name).write_bytes(direction.read_bytes())
    with running_command(tiny_spec, arguments, home / "whole") as whole:
        told = whole.stderr.read()
        whole.process.join(60)
        assert whole.process.exitcode == 0, told
    identifier, kills, before = "", 0, 0
    while True:
        more = ["discover", "--model", "tiny", "--resume", identifier] if identifier else arguments
        with running_command(tiny_spec, more, home / "killed") as running:
            lines = []
            for line in running.stderr:
                lines.append(line)
                identifier = identifier or (line.split()[1] if line.startswith("Run ") else "")
                if kills < 6 and len(lines) > 2 + kills:
                    time.sleep(0.03 * kills)
                    running.process.kill()
                    kills += 1
                    break
            else:
                running.process.join(60)
                assert running.process.exitcode == 0, "".join(lines)
                break
        found = rows(home / "killed")
        assert len(found) >= before  # nothing that was written is lost
        before = len(found)
    assert kills == 6 and rows(home / "killed") == rows(home / "whole")


def test_a_list_is_checked_as_prompts_does(tmp_path, capsys, tiny):
    (tmp_path / "h.csv").write_text(
        "prompt,category\nBad thing?,a\nBad thing?,a\nbad THING?,b\nMake a b\ufffdd thing,a\nSteal,b\n",
        encoding="utf-8",
    )
    kept, category_of = prompts_in(str(tmp_path / "h.csv"), None, tiny)
    assert kept == ("Bad thing?", "Steal") and category_of == {"Bad thing?": "a", "Steal": "b"}
    here = capsys.readouterr().err
    assert main(["prompts", str(tmp_path / "h.csv")]) == 0
    there = capsys.readouterr().out
    for line in ("2 of 5 prompts kept; dropped: 2 duplicate, 1 damaged.", "row 4: damaged", "several categories: 1"):
        assert line in here and line in there


def test_reference_answers_that_fit_no_prompt_are_refused(arguments, home, capsys):
    lines = [{"prompt": "no such prompt", "answer": "x"}]
    path = home / "r.jsonl"
    path.write_text(json.dumps(lines[0]) + "\n")
    assert main([*arguments, "--reference", str(path)]) == 2
    assert "--reference has no line for any of the harmful prompts" in capsys.readouterr().err
    lines.append({"prompt": TEXTS[0], "answer": "x"})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main([*arguments, "--reference", str(path), "--set", "tau=3"]) == 2
    assert "1 of 2 reference answers belong to harmful prompts" in capsys.readouterr().err


def test_a_file_whose_encoding_is_a_guess_is_read_and_said(tmp_path, capsys, tiny):
    (tmp_path / "old.txt").write_bytes("Käse?\n\nBrot?\n".encode("cp1252"))
    assert prompts_in(str(tmp_path / "old.txt"), None, tiny) == (("Käse?", "Brot?"), {})
    assert "not UTF-8" in capsys.readouterr().err


def test_a_model_without_a_direction_is_offered_one(arguments, home, capsys, tiny):
    """One sentence that names the option; with it, the direction is computed, kept and used."""
    kept = home / "cache" / "directions" / "tiny.safetensors"
    kept.unlink()
    assert main(arguments) == 2
    assert "Add --compute-direction" in capsys.readouterr().err.splitlines()[-1] and not kept.exists()
    code = main([*arguments, "--compute-direction"])
    told = capsys.readouterr().err
    # The tiny model refuses nothing, so there may be no direction to find: then that is the sentence.
    assert (code == 0 and kept.exists()) or (code == 2 and "direction" in told.splitlines()[-1]), told
