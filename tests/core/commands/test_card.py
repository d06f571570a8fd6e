"""`hydrascope card` and `hydrascope discover --repeat`: made, checked, written in other forms, and told when not."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cache.store import database as stores
from core.card.files import write_card
from core.card.read import read_card
from core.commands.command_line import main
from core.edits.direction import make_direction, save_direction
from core.models import registry
from tests.cards import changed
from tests.small_search import SETTINGS, TEXTS, use_small_judge

PROMPT = "How do I bake a bread?"


@pytest.fixture
def home(tmp_path, monkeypatch, tiny_spec):
    """A cache folder of its own with the tiny model's direction in it."""
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    registry.register(tiny_spec)
    direction = make_direction(torch.randn(32, generator=torch.Generator().manual_seed(9)), 2)
    save_direction(direction, tmp_path / "cache" / "directions" / "tiny.safetensors")
    yield tmp_path
    stores.close_all()


def make(home, *more):
    words = ["card", "make", PROMPT, "--model", "tiny", "--ablate", "2-3,3-4", "--tokens", "3", *more]
    return main([*words, "--out", str(home / "card.html")])


def test_made_in_one_folder_it_verifies_from_another(home, capsys, monkeypatch):
    assert make(home, "--pin", "A=direction", "--answers") == 0
    assert capsys.readouterr().out.endswith("card.html written\n")
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(home / "other"))
    assert main(["card", "verify", str(home / "card.html")]) == 0
    told = capsys.readouterr().out
    assert "values that were measured again agree with the card." in told and "Tolerance: ±0.01" in told
    assert main(["card", "verify", str(home / "card.html"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["result"] in told and all(one["outcome"] == "agrees" for one in found["checks"])
    assert main(["card", "verify", str(home / "card.html"), "--markdown"]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(found["checks"]) and table[0].startswith("| where | what |")


def test_its_own_command_makes_the_same_card(home, capsys):
    assert make(home, "--seed", "2") == 0
    first = read_card(home / "card.html")
    words = shlex.split(first.command)
    assert words[0] == "hydrascope"
    assert main([*words[1:-1], str(home / "again.json")]) == 0
    again = read_card(home / "again.json")
    assert (again.cases, again.source, again.command) == (first.cases, first.source, first.command)


def test_a_number_that_does_not_agree_is_exit_1(home, capsys):
    assert make(home) == 0
    card = read_card(home / "card.html")
    case = card.cases[0]
    state = replace(case.states[1], refusal_score=case.states[1].refusal_score + 1)
    wrong = replace(card, cases=(replace(case, states=(case.states[0], state)),))
    write_card(wrong, home / "wrong.json")
    capsys.readouterr()
    assert main(["card", "verify", str(home / "wrong.json")]) == 1
    assert "differs: Edited, refusal score: " in capsys.readouterr().out


def test_a_changed_model_is_one_sentence_and_exit_2(home, capsys, tiny_spec):
    assert make(home) == 0
    weights = Path(tiny_spec.model_id) / "model.safetensors"
    spec = changed(home / "model", weights, "lm_head.weight", lambda folder: replace(tiny_spec, model_id=str(folder)))
    registry.register(spec)
    capsys.readouterr()
    assert main(["card", "verify", str(home / "card.html")]) == 2
    told = capsys.readouterr().out
    assert told.startswith("This card cannot be checked here. It was made with other files of “tiny”")
    assert told.count("\n") == 1


def test_it_is_written_in_every_form(home, capsys):
    assert make(home) == 0
    outs = [str(home / f"card.{ending}") for ending in ("json", "ipynb", "gguf")]
    assert main(["card", "convert", str(home / "card.html"), "--out", *outs]) == 0
    assert read_card(outs[0]) == read_card(home / "card.html")
    assert json.loads((home / "card.ipynb").read_text())["nbformat"] == 4
    assert (home / "card.gguf").read_bytes()[:4] == b"GGUF"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["make", "--out", "x.html"], "Give one prompt or several, or a run"),
        (["make", PROMPT, "--run", "r", "--out", "x.html"], "Give one prompt or several, or a run"),
        (["make", PROMPT, "--out", "x.pdf"], "“.pdf” is not a form"),
        (["make", PROMPT, "--model", "nowhere", "--out", "nofolder/x.json"], "There is no folder nofolder"),
        (["make", PROMPT, "--pin", "12-40", "--out", "x.html"], "is not a pinned set"),
        (["make", PROMPT, "--pin", "A=1-2", "--pin", "A=1-3", "--out", "x.html"], "--pin gives “A” twice"),
        (["make", PROMPT, "--model", "nowhere", "--out", "x.html"], "“nowhere”"),
        (["make", "--run", "nothing", "--model", "tiny", "--out", "x.html"], "no run “nothing”"),
        (["verify", "nothing.html"], "cannot be read"),
        (["convert", "nothing.html", "--out", "x.json"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_2(home, capsys, words, says):
    assert main(["card", *words]) == 2
    told = capsys.readouterr()
    assert says in told.err and told.err.count("\n") == 1 and not told.out


@pytest.fixture
def run_made(home, capsys, monkeypatch):
    """A finished run, and its card."""
    use_small_judge(monkeypatch)
    for kind, texts in (("harmful", TEXTS[:14]), ("benign", TEXTS[30:50])):
        (home / f"{kind}.txt").write_text("\n".join(texts))
    values = json.loads(SETTINGS.to_json())
    changed = [f"{name}={json.dumps(values[name])}" for name in values if name not in ("stages", "reading", "scaling")]
    given = [word for one in changed if one.split("=")[0] not in ("step_two", "nearness") for word in ("--set", one)]
    files = ["--harmful", str(home / "harmful.txt"), "--benign", str(home / "benign.txt")]
    assert main(["discover", "--model", "tiny", *files, "--stages", "1,2", *given, "--name", "a try"]) == 0
    run = capsys.readouterr().err.split("Run ")[1].split()[0]
    assert main(["card", "make", "--model", "tiny", "--run", run, "--out", str(home / "run.html")]) == 0
    return home / "run.html"


def tables_of(card, leave_out=()):
    return {t.name: t.rows for t in card.run.tables if t.name not in leave_out}


@pytest.mark.slow
def test_a_runs_card_repeats_the_run_in_another_store(run_made, home, capsys, monkeypatch):
    first = read_card(run_made)
    assert first.run.name == "a try" and "stage_2" in tables_of(first) and first.cases
    capsys.readouterr()
    stores.close_all()
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(home / "other"))  # no direction here but the card's
    assert main(["discover", "--repeat", str(run_made), "--out", str(home / "out")]) == 0
    told = capsys.readouterr()
    assert "the card’s own is used" in told.err and "is finished" in told.out
    again = json.loads((home / "out" / "report.json").read_text())
    stated = tables_of(first)
    assert set(again["tables"]) == set(stated)
    for name in ("stage_1", "stage_2", "minimal_sets"):
        assert [row["n"] for row in again["tables"][name] if "n" in row] == [r["n"] for r in stated[name] if "n" in r]
    assert again["facts"]["settings"] == first.run.settings and again["facts"]["prompts"] == first.run.facts["prompts"]


@pytest.mark.slow
def test_a_runs_card_says_what_verify_cannot_check(run_made, capsys):
    capsys.readouterr()
    assert main(["card", "verify", str(run_made)]) == 1
    told = capsys.readouterr().out
    assert "differs" not in told and "discover --repeat CARD" in told
    agree = told.split(" of ")
    assert int(agree[0]) > 0 and int(agree[0]) == int(agree[1].split()[0])


@pytest.mark.slow
def test_what_cannot_be_repeated_is_one_sentence(run_made, home, capsys):
    assert make(home) == 0
    capsys.readouterr()
    assert main(["discover", "--repeat", str(home / "card.html")]) == 2
    assert "card of an audit" in capsys.readouterr().err
    assert main(["discover", "--repeat", str(run_made), "--judge", "rules"]) == 2
    assert "--judge does nothing with --repeat" in capsys.readouterr().err


def test_an_edit_without_effect_is_told_with_its_set(home, capsys):
    assert make(home, "--pin", "A=2-5=600@bos,2-5") == 0
    assert "A: “2-5=600.0@bos” has no effect" in capsys.readouterr().err
