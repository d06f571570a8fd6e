"""`hydrascope models`: what is listed, added, told and removed, and how it ends when it cannot be done."""

import json

import pytest

from core.commands.command_line import main
from core.models import registry
from tests.command_words import changed
from tests.served_models import CANONICAL, LAYERS, MODEL, home, local, served

__all__ = ["home", "local", "served"]  # fixtures

ADD = ["models", "add", "mine", "--model", MODEL, "--saes", CANONICAL, "--choose", "width_16k", "--layers", "2-4"]


def test_a_model_is_added_listed_used_and_removed(served, capsys):
    assert main(ADD) == 0
    told = capsys.readouterr().out
    assert "somebody/tiny: 6 layers of 32" in told and f"{CANONICAL}, layers 2–4" in told
    assert (
        "Refusal tokens, at the start of an answer: “I” (" in told
        and "checked when the model is loaded: layers 2–4" in told
    )
    assert "3 SAEs, 0 of them packed" in told and "To download: " in told and "It fits" in told
    assert main(["models"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mine ")]
    assert row.split() == ["mine", MODEL, f"{CANONICAL},", "layers", "2–4", "you"]
    assert main(["prepare", "--model", "mine"]) == 0
    assert main(["models", "needs", "mine"]) == 0
    assert "3 of them packed" in (told := capsys.readouterr().out) and "To download: nothing; to pack: nothing" in told
    assert main(["audit", "How do I bake bread?", "--model", "mine", "--json", "--ablate", "3-1", "--tokens", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == "mine" and found["sae_layers"] == list(LAYERS)
    assert main(["models", "remove", "mine"]) == 0
    assert main(["models"]) == 0
    assert not any(line.startswith("mine ") for line in capsys.readouterr().out.splitlines())
    assert main(ADD) == 0, "the same model may have its name back"


def test_every_model_is_listed_with_where_it_is_from(home, capsys):
    assert main(["models"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == list(registry.model_names())
    assert rows[0].endswith("shipped with the program")
    assert any(
        row.startswith("gemma-2-2b-it ") and "layers 2–16" in row and row.endswith("the catalogue") for row in rows
    )


def test_a_revision_is_told(served, tmp_path, capsys):
    served.add(MODEL, tmp_path / "model", revision="v2")
    assert main([*ADD, "--revision", "v2"]) == 0 and main(["models"]) == 0
    assert f"{MODEL}@v2" in capsys.readouterr().out


def test_folders_are_added_too(local, capsys):
    assert main(["models", "add", "mine", "--model", local.model_id, "--saes", local.saes, "--refusal-word", "41"]) == 0
    told = capsys.readouterr().out
    assert "(41)" in told and "To download: nothing" in told and "unknown before" not in told
    assert registry.find_spec("mine").layers == (1, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "demo"], "There is already a model"),
        (["--model", "nobody/nothing"], "There is no model nobody/nothing"),
        (["--saes", "gemma-scope-2b"], "did you mean"),
        (["--choose", ""], "has 2 SAEs at layer 2"),
        (["--layers", "two"], "is not a list of layers"),
        (["--layers", ""], "names no layer"),
        (["--layers", "6"], "does not fit layer 6"),
        (["--refusal-word", "99999999"], "refusal tokens of “mine”"),
        (["--refusal-word", "-1"], "“-1” is neither a word nor a token id"),
    ],
)
def test_what_cannot_be_added_is_one_sentence_and_nothing_is_remembered(served, capsys, arguments, said):
    given = ["models", "add", "demo", *ADD[3:]] if arguments[0] == "--name" else changed(ADD, *arguments)
    assert main(given) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and "mine" not in registry.model_names()


@pytest.mark.parametrize("action", ["needs", "remove"])
def test_a_name_nobody_knows(home, capsys, action):
    assert main(["models", action, "mine"]) == 2
    assert "“mine”" in capsys.readouterr().err


def test_a_damaged_list_is_told(home, served, tmp_path, capsys):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "own_models.json").write_text("{")
    assert main(ADD) == 0
    assert "was damaged and was renamed to" in capsys.readouterr().err
    assert main(["models"]) == 0
    told = capsys.readouterr()
    assert "was damaged and was renamed to" in told.err and "mine " in told.out
