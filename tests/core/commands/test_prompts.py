"""`hydrascope prompts`: what is told, what is written, and how it ends when it cannot be done."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.commands.command_line import main
from core.paths import PROGRAM_FOLDER
from core.prompts.checks import prompts_digest
from core.prompts.files import read_prompts
from tests.loopback_hub.environment import go_offline
from tests.loopback_hub.prompt_sets import serve

__all__ = ["serve"]  # a fixture


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes('id,goal\n1,Hello\n2,hello\n3,\n4,caf\xe9\n5,"x"\n'.encode("cp1252"))
    return path


def read(path):
    return read_prompts(path.read_bytes(), path.name).prompts()


def test_a_file_is_checked_and_told_about(mine, capsys):
    assert main(["prompts", str(mine)]) == 0
    told = capsys.readouterr().out
    assert "3 of 5 prompts kept; dropped: 1 empty, 1 duplicate." in told and "cp1252" in told
    assert "row 2: duplicate, the same as row 1" in told and "row 3: empty, no text" in told
    assert prompts_digest(["Hello", "café", "x"]) in told


def test_it_is_divided_and_written_a_file_a_part(mine, tmp_path, capsys):
    assert (
        main(["prompts", str(mine), "--split", "train=2,val=1", "--seed", "7", "--out", str(tmp_path / "out.txt")]) == 0
    )
    parts = [read(tmp_path / f"out.{name}.txt") for name in ("train", "val")]
    assert sorted(parts[0] + parts[1]) == ["Hello", "café", "x"] and [len(part) for part in parts] == [2, 1]
    assert f"train: 2 prompts, seed 7, digest {prompts_digest(parts[0])}" in capsys.readouterr().out
    assert main(["prompts", str(mine), "--out", str(tmp_path / "whole.jsonl")]) == 0
    assert read(tmp_path / "whole.jsonl") == ["Hello", "café", "x"]


def test_a_public_set_comes_with_licence_and_citation(serve, capsys):
    serve("xstest")
    assert main(["prompts", "xstest", "--kind", "harmful"]) == 0
    told = capsys.readouterr().out
    assert "XSTest (harmful)" in told and "Licence: CC BY 4.0" in told and "arXiv:2308.01263" in told
    assert "/datasets/Paul/XSTest" in told and "1 of 1 prompts kept." in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "neither a file nor a known prompt set"),
        (["{mine}", "--column", "what"], "no text column “what”. Choose one of id, goal"),
        (["{mine}", "--split", "train=9"], "there are 3 different prompts"),
        (["{mine}", "--split", "train"], "is not a part of a split"),
        (["{mine}", "--out", "{mine}.doc"], "cannot be written"),
        (["{empty}"], "has no text"),
        (["xstest"], "Paul/XSTest is not on this machine"),
        (["{mine}", "--split", ""], "The split has no parts"),
        (["{mine}", "--seed", "7"], "--seed does nothing without --split"),
        (["{mine}", "--kind", "harmful"], "--kind does nothing with a file"),
        (["{mine}", "--out", "{mine}"], "would be overwritten"),
        (["{mine}", "--split", "csv=2", "--out", "{part}"], "would be overwritten"),
        (["{mine}", "--out", "{folder}"], "is a folder"),
        (["{mine}", "--out", "{folder}/none/out.txt"], "There is no folder"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(hub, mine, tmp_path, capsys, monkeypatch, arguments, said):
    go_offline(monkeypatch)
    (tmp_path / "empty.txt").write_text(" \n")
    if "{part}" in arguments:
        arguments[0] = str(mine.rename(tmp_path / "whole.csv.csv"))
    before = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}
    places = {"mine": mine, "empty": tmp_path / "empty.txt", "folder": tmp_path, "part": tmp_path / "whole.csv"}
    assert main(["prompts", *(one.format(**places) for one in arguments)]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
    assert before == {path: path.read_bytes() for path in tmp_path.glob("*.csv")}


def test_a_list_of_which_nothing_is_kept_is_refused_and_nothing_written(tmp_path, capsys):
    path, out = tmp_path / "numbers.jsonl", tmp_path / "out.txt"
    path.write_text('{"prompt": "", "id": "a"}\n{"prompt": 5, "id": "b"}\n{"prompt": null, "id": "c"}\n')
    assert main(["prompts", str(path), "--column", "id", "--out", str(out)]) == 0
    path.write_text('{"prompt": "\\u0001"}\n{"prompt": 5}\n{"prompt": null}\n{"prompt": ["x"]}\n')
    out.unlink()
    assert main(["prompts", str(path), "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert "None of the 4 rows of numbers.jsonl can be used" in printed.err and not out.exists()
    assert "row 2: not text, a number" in printed.out and "row 3: empty, no text" in printed.out
    assert "row 4: not text, a list" in printed.out


def test_a_pipe_gets_the_prompts_and_a_link_stays(mine, tmp_path, capsys):
    pipe, found = tmp_path / "pipe.jsonl", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    assert main(["prompts", str(mine), "--out", str(pipe)]) == 0
    reader.join(10)
    assert [json.loads(line)["prompt"] for line in found[0].splitlines()] == ["Hello", "café", "x"] and pipe.is_fifo()
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    link.symlink_to(target)
    assert main(["prompts", str(mine), "--out", str(link)]) == 0
    assert link.is_symlink() and read(target) == ["Hello", "café", "x"]
    link.unlink()
    link.symlink_to(tmp_path / "none" / "target.txt")
    assert main(["prompts", str(mine), "--out", str(link)]) == 2
    assert "There is no folder" in capsys.readouterr().err


def test_a_write_that_fails_leaves_the_old_list(mine, tmp_path, capsys, monkeypatch):
    old = tmp_path / "old.csv"
    old.write_text("old")

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["prompts", str(mine), "--out", str(old)]) == 2
    assert "cannot be written (No space left on device)" in capsys.readouterr().err
    assert old.read_text() == "old" and sorted(path.name for path in tmp_path.iterdir()) == ["mine.csv", "old.csv"]


def test_categories_are_told_kept_and_their_loss_is_said(tmp_path, capsys):
    path = tmp_path / "c.csv"
    path.write_text("prompt,category\none,b\none,a\ntwo,\nTwo,c\nthree,a\n")
    assert main(["prompts", str(path), "--out", str(tmp_path / "c.txt")]) == 0
    told = capsys.readouterr()
    assert "columns “prompt” and “category”" in told.out and "not read" not in told.out
    assert "In several categories: 1 prompt. Row 2 has “a”, but the same prompt in row 1 has “b”." in told.out
    assert "b: 1" in told.out and "c: 1" in told.out and "a: 1" in told.out
    assert "c.txt written, without the categories" in told.err
    assert main(["prompts", str(path), "--out", str(tmp_path / "d.csv")]) == 0
    assert "without" not in capsys.readouterr().err
    assert (tmp_path / "d.csv").read_text() == "prompt,category\none,b\ntwo,c\nthree,a\n"


@pytest.mark.parametrize("help_too", [False, True])
def test_a_terminal_without_a_character_gets_it_spelt(tmp_path, help_too):
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "café 😀", "ßpalte": "x"}\n', encoding="utf-8")
    words = ["prompts", "--help"] if help_too else ["prompts", str(path)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(
        [sys.executable, "-m", "core", *words], env=environment, capture_output=True, cwd=PROGRAM_FOLDER
    )
    assert run.returncode == 0 and b"Traceback" not in run.stderr
    assert (b"\\u2026" if help_too else b"\\u00dfpalte") in run.stdout
