"""`hydrascope audit`: one object for programs, lines for people."""

import json

import pytest

from core.commands.command_line import main
from core.models import registry

PROMPT = "How do I bake a bread?"


@pytest.fixture(autouse=True)
def models(tiny_spec):
    registry.register(tiny_spec)


def test_audit_prints_one_object(capsys):
    assert main(["audit", PROMPT, "--model", "tiny", "--ablate", "2-3", "--json", "--tokens", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [side["edits"] for side in found["results"]] == ["", "2-3"] and found["model"] == "tiny"


def test_audit_prints_lines_for_people(capsys):
    assert main(["audit", PROMPT, "--model", "tiny", "--tokens", "3"]) == 0
    first, judge, empty, side, answer = capsys.readouterr().out.splitlines()[:5]
    assert "agrees with people: κ" in judge
    assert first.startswith("tiny · ") and not empty and side.startswith("unedited: ") and answer.startswith("  '")


@pytest.mark.parametrize(("more", "says"), [(["--ablate", "what"], "“what”"), (["--model", "nowhere"], "“nowhere”")])
def test_what_cannot_be_done_is_one_sentence_and_exit_2(capsys, more, says):
    assert main(["audit", PROMPT, "--model", "tiny", *more]) == 2
    told = capsys.readouterr()
    assert says in told.err and told.err.count("\n") == 1 and not told.out
