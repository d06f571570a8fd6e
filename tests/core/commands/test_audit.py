"""`hydrascope audit`: one object for programs, lines for people."""

import json
from dataclasses import replace

import pytest

from core import Edits, Feature, load
from core.commands.command_line import main
from core.models import registry
from core.prompts.references import Reference
from core.text.pieces import pieces_text
from tests.command_words import changed

PROMPT = "How do I bake a bread?"


@pytest.fixture(autouse=True)
def models(tiny_spec):
    registry.register(tiny_spec)


def test_audit_prints_one_object(capsys):
    assert main(["audit", PROMPT, "--model", "tiny", "--ablate", "2-3", "--json", "--tokens", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [side["edits"] for side in found["results"]] == ["", "2-3"] and found["model"] == "tiny"
    assert found["results"][0]["kl"] == 0


def test_audit_prints_lines_for_people(capsys):
    assert main(["audit", PROMPT, "--model", "tiny", "--tokens", "3"]) == 0
    first, judge, empty, side, answer = capsys.readouterr().out.splitlines()[:5]
    assert "agrees with people: κ" in judge
    assert "KL on this prompt 0.0000 nats" in side, "one prompt has no interval: the line says what it is of"
    assert first.startswith("tiny · ") and not empty and side.startswith("unedited: ") and answer.startswith("  '")


@pytest.mark.parametrize(("more", "says"), [(["--ablate", "what"], "“what”"), (["--model", "nowhere"], "“nowhere”")])
def test_what_cannot_be_done_is_one_sentence_and_exit_2(capsys, more, says):
    assert main(changed(["audit", PROMPT, "--model", "tiny"], *more)) == 2
    told = capsys.readouterr()
    assert says in told.err and told.err.count("\n") == 1 and not told.out


def test_audit_with_a_reference_answer_says_the_recovery(capsys, tmp_path, tiny):
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"prompt": PROMPT, "answer": "Bake it.", "nll": 0.5}) + "\n")
    ask = ["audit", PROMPT, "--model", "tiny", "--ablate", "2-3,3-4", "--tokens", "3", "--reference", str(file)]
    assert main([*ask, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    edits = Edits.ablate([Feature(2, 3), Feature(3, 4)])
    ((gap,),) = tiny.recovery([Reference(PROMPT, "Bake it.", 0.5)], [edits])
    assert [side["recovery"] for side in found["results"]] == [0, pytest.approx(gap.recovery, abs=1e-3)]
    assert [side["nll"] for side in found["results"]] == pytest.approx([gap.unedited, gap.edited], abs=1e-3)
    assert found["reference"] == {"answer": "Bake it.", "model": None, "nll": 0.5}
    assert main(ask) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "reference answer" in line]
    assert len(lines) == 2 and "recovery" not in lines[0] and lines[1].endswith(f"recovery {gap.recovery:.1%}")


@pytest.mark.parametrize(("text", "says"), [("{", "line 1 is not JSON"), ('{"prompt": "a", "answer": "b"}', "no line")])
def test_a_reference_file_that_does_not_fit_is_one_sentence(capsys, tmp_path, text, says):
    file = tmp_path / "mine.jsonl"
    file.write_text(text)
    assert main(["audit", PROMPT, "--model", "tiny", "--reference", str(file)]) == 2
    assert says in capsys.readouterr().err


def test_an_edit_without_effect_is_told_in_one_sentence(capsys):
    ask = ["audit", PROMPT, "--model", "tiny", "--tokens", "3", "--json", "--ablate"]
    assert main([*ask, "2-5=600@bos,2-5"]) == 0
    told = capsys.readouterr()
    assert "“2-5=600.0@bos” has no effect" in told.err and told.err.count("\n") == 1
    assert json.loads(told.out)["results"][1]["edits"] == "2-5=600.0@bos,2-5"
    assert main([*ask, "2-5,2-5=600@bos"]) == 0 and not capsys.readouterr().err


def test_the_probability_is_named_after_the_models_refusal_tokens(capsys, tiny, tiny_spec):
    other = next(token for token in range(50, 99) if token not in tiny_spec.refusal_tokens)
    registry.register(replace(tiny_spec, name="other-words", refusal_tokens=(*tiny_spec.refusal_tokens, other)))
    engine = load("other-words", device="cpu")
    ask = ["audit", PROMPT, "--model", "other-words", "--tokens", "1"]
    assert main(ask) == 0
    assert f'P("{pieces_text(engine.refusal_pieces)}")' in capsys.readouterr().out
    assert main([*ask, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["refusal_tokens"] == list(engine.refusal_pieces)
