"""`hydrascope discover --shard` and `discover merge`: what they say at each boundary, and the tables of a plain run."""

import json

import pytest
import torch

from cache.store import database as stores
from cache.store.runs import Runs
from core.commands.command_line import main
from core.edits.direction import make_direction, save_direction
from core.models import registry
from core.scale.files import ShardFolder
from tests.small_search import TEXTS, use_small_judge

SETTINGS = ("tokens=4", "k_steps=[2,9]", "thresholds=[0.001]", "least_tokens=[4]", "length_prompts=0")


@pytest.fixture
def command(tmp_path, monkeypatch, tiny_spec):
    """`hydrascope discover` over two files of prompts, stage 1, in a cache folder of its own."""
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    registry.register(tiny_spec)
    use_small_judge(monkeypatch)
    direction = make_direction(torch.randn(32, generator=torch.Generator().manual_seed(9)), 2)
    save_direction(direction, tmp_path / "cache" / "directions" / "tiny.safetensors")
    for name, texts in (("harmful", TEXTS[:20]), ("benign", TEXTS[20:40])):
        (tmp_path / f"{name}.txt").write_text("\n".join(texts))
    files = ["--harmful", str(tmp_path / "harmful.txt"), "--benign", str(tmp_path / "benign.txt")]
    yield [
        "discover",
        *("--model", "tiny", *files, "--stages", "1"),
        *(word for one in SETTINGS for word in ("--set", one)),
    ]
    stores.close_all()


def test_shards_say_what_comes_next_and_end_with_the_tables_of_a_plain_run(command, tmp_path, capsys):
    folder, said = tmp_path / "shards", []
    for _ in range(3):
        for shard in ("1/2", "2/2"):
            assert main([*command, "--shard", shard, "--out", str(folder)]) == 0
        assert main(["discover", "merge", str(folder)]) == 0
        said.append(capsys.readouterr().out)
    assert "Shard 1/2 has done its part of phase 1 of 3 (Screening prompts): 1 group," in said[0]
    assert f"run `hydrascope discover merge {folder}`, then all shards again." in said[0]
    assert "Phase 1 of 3 is complete. Run all shards again, for phase 2 (Stage 1: candidates)" in said[0]
    assert "which makes the tables" in said[2] and "All 3 phases are merged. The tables are in" in said[2]
    assert main([*command, "--out", str(tmp_path / "plain")]) == 0
    plain, joined = (json.loads((path / "report.json").read_text()) for path in (tmp_path / "plain", folder / "tables"))
    assert plain["tables"] == joined["tables"] and len(plain["tables"]) > 4
    same = set(plain["facts"]) - {"run", "begun"}
    assert {name: plain["facts"][name] for name in same} == {name: joined["facts"][name] for name in same}
    kept = Runs(stores.shared_store()).all()
    assert [run.state for run in kept] == ["finished", "finished"]
    assert main(["discover", "merge", str(folder)]) == 0 and len(Runs(stores.shared_store()).all()) == 2
    assert main([*command, "--shard", "1/2", "--out", str(folder)]) == 0
    assert "All 3 phases are merged." in capsys.readouterr().out


def test_a_folder_whose_files_were_exchanged_or_edited_gives_no_tables(command, tmp_path, capsys):
    folder = tmp_path / "shards"
    for phase in (1, 2, 3):
        assert main([*command, "--shard", "1/1", "--out", str(folder)]) == 0
        if phase < 3:
            assert main(["discover", "merge", str(folder)]) == 0

    def refused(says):
        assert main(["discover", "merge", str(folder)]) == 2
        assert says in capsys.readouterr().err.splitlines()[-1]
        assert not (folder / "tables").exists() and Runs(stores.shared_store()).all() == []

    joined = folder / "phase-2.parquet"
    whole = joined.read_bytes()
    joined.write_bytes((folder / "phase-1.parquet").read_bytes())
    refused("phase-2.parquet holds phase 1 (screen), not phase 2")
    joined.write_bytes(whole)
    files = ShardFolder(folder)
    run = files.run()
    (folder / "run.json").unlink()
    files.begin(run._replace(record={**run.record, "source": {**run.record["source"], "model": "another"}}))
    refused("run.json was changed: its record has another model (another, here tiny)")
    (folder / "run.json").unlink()
    files.begin(run)
    assert main(["discover", "merge", str(folder)]) == 0


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["--shard", "1/2"], "Add --out DIR"),
        (["--shard", "3/2", "--out", "x"], "such as 3/16"),
        (["--shard", "1/2", "--out", "x", "--resume", "y"], "does nothing with --resume"),
        (["--workers", "2"], "go with --ray"),
        (["--ray", "--workers", "0"], "The number of workers is 0"),
        (["--ray", "ray://far:1"], "ray:// is not supported"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(command, tmp_path, monkeypatch, capsys, extra, says):
    monkeypatch.chdir(tmp_path)
    assert main([*command, *extra]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_without_ray_it_says_how_to_get_it(command, monkeypatch, capsys):
    from core.scale import cluster

    monkeypatch.setattr(cluster, "ray_installed", lambda: False)
    assert main([*command, "--ray"]) == 2
    assert "Ray is not installed here. Install it with `pip install" in capsys.readouterr().err


def test_a_folder_without_shards(tmp_path, capsys):
    assert main(["discover", "merge", str(tmp_path)]) == 2
    assert "holds no shards of a run" in capsys.readouterr().err


def test_a_shard_of_other_settings_is_refused(command, tmp_path, capsys):
    folder = str(tmp_path / "shards")
    assert main([*command, "--shard", "1/2", "--out", folder]) == 0
    assert main([*command, "--set", "seed=5", "--shard", "2/2", "--out", folder]) == 2
    assert "run.json is of another run: it has other settings" in capsys.readouterr().err
