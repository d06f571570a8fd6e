"""`hydrascope prompts`: what is told, what is written, and how it ends when it cannot be done."""

import pytest

from core.commands.command_line import main
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
    assert "None of the 4 rows can be used" in printed.err and not out.exists()
    assert "row 2: not text, a number" in printed.out and "row 3: empty, no text" in printed.out
    assert "row 4: not text, a list" in printed.out
