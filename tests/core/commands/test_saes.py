"""`hydrascope saes`: train, interrupted and killed and gone on with; cards; int8 with its cost; what cannot be done."""

import os
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from core.commands import saes
from core.commands.command_line import main
from core.models import registry
from core.models.trained import trained_suite
from core.saes.card import CARD
from core.training import pipeline
from core.training.settings import TrainingSettings
from tests.command_words import changed
from tests.conftest import D_MODEL, make_sae
from tests.forked import running_command
from tests.waiting import until

NAME = "tiny-to-train"
SMALL = ["--width", "40", "--k", "5", "--tokens", "900", "--held-out-tokens", "200", "--batch", "64"]
TRAIN = ["saes", "train", NAME, "--layers", "1", *SMALL, "--answer-tokens", "4", "--device", "cpu", "--passes", "4"]


@pytest.fixture
def spec(tiny_spec, monkeypatch, tmp_path):
    """A model without SAEs, eight prompts to train on and a few held out."""
    prompts = tmp_path / "prompts.csv"
    lines = [f"{k},0,train,x,{t} {n}." for n in range(4) for k, t in (("harmful", "Cook bad"), ("benign", "Tell of"))]
    held = [f"{kind},0,val,x,{kind} bread {n}." for n in range(3) for kind in ("harmful", "benign")]
    prompts.write_text("\n".join(["kind,pair,split,category,text", *lines, *held]) + "\n")
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    found = replace(tiny_spec, name=NAME, layers=(), saes={}, prompts=prompts)
    registry.register(found)
    return found


def weights(suite):
    return {layer: load_file(suite.sae(layer) / "sae_weights.safetensors") for layer in suite.layers}


def test_it_says_what_it_takes_trains_and_says_how_to_use_it(spec, capsys):
    assert main(TRAIN) == 0
    told = capsys.readouterr()
    assert "The model answers 14 prompts with at most 4 tokens each." in told.err
    assert "1,100 tokens are recorded" in told.err and "Memory: about" in told.err and "Time: about" in told.err
    assert "explained variance" in told.out and f"--model {NAME}/trained" in told.out
    assert registry.find_spec(NAME).layers == (1,)
    assert main(["saes", "cards", NAME]) == 0
    again = capsys.readouterr().out
    assert again.splitlines() == told.out.splitlines()[:-1]
    (trained_suite(NAME).sae(1) / "card.json").write_bytes(b"")
    assert main(["saes", "cards", NAME]) == 2
    told = capsys.readouterr()
    assert not told.out and "The card (card.json) of layers 1 cannot be read, or is of another SAE." in told.err


def test_ctrl_c_keeps_everything_and_the_same_command_ends_the_same(spec, tmp_path, monkeypatch, capsys):
    assert main(TRAIN) == 0
    whole = weights(trained_suite(NAME))
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "other"))
    finish = pipeline.train_layer

    def interrupted(*arguments, **named):
        os.kill(os.getpid(), signal.SIGINT)
        return finish(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "train_layer", interrupted)
        assert main(TRAIN) == 130
    told = capsys.readouterr().err
    assert "Stopping after this step" in told and "Run the same command again to continue." in told
    assert trained_suite(NAME) is None
    assert main(TRAIN) == 0
    assert "All answers are there already." in capsys.readouterr().err
    again = weights(trained_suite(NAME))
    assert all(torch.equal(whole[1][name], again[1][name]) for name in whole[1])


@pytest.mark.slow
def test_a_killed_command_ends_the_same(spec, tmp_path, monkeypatch):
    """kill -9 once the recording has begun."""
    other, command = tmp_path / "other", changed(TRAIN, "--passes", "40")
    assert main(command) == 0
    whole = weights(trained_suite(NAME))
    with running_command(spec, command, other) as child:
        until(lambda: (other / "training" / NAME / "recorded" / "done.json").exists(), 240)
        child.process.kill()
        child.process.join()
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(other))
    assert trained_suite(NAME) is None
    assert main(command) == 0
    again = weights(trained_suite(NAME))
    assert all(torch.equal(whole[1][name], again[1][name]) for name in whole[1])


def test_defaults_are_the_settings_own():
    parser = __import__("argparse").ArgumentParser()
    saes.add_arguments(parser)
    options = parser.parse_args(["train", NAME, "--layers", "3"])
    chosen = {name: getattr(options, name) for name in ("width", "k", "tokens", "passes", "seed", "learning_rate")}
    assert replace(TrainingSettings(layers=(3,)), **chosen) == TrainingSettings(layers=(3,))


def test_shrinking_says_what_it_costs(spec, tmp_path, capsys):
    for layer in (1, 2):
        make_sae(tmp_path / "whole" / f"layer_{layer}", layer)
    assert main(["saes", "shrink", str(tmp_path / "whole"), str(tmp_path / "small"), "--model", NAME]) == 0
    told = capsys.readouterr().out.splitlines()
    assert (
        " ".join(told[0].split()) == "layer size before size after explained variance before after" and len(told) == 4
    )
    before, after = map(float, told[1].split()[-2:])
    assert before == pytest.approx(after, abs=0.05)
    sizes = [(tmp_path / name / "layer_1" / "sae_weights.safetensors").stat().st_size for name in ("whole", "small")]
    assert sizes[1] < 0.45 * sizes[0] and not (tmp_path / "small" / "layer_1" / CARD).exists()


@pytest.mark.parametrize("out", ["suite", "suite/layer_1", "full"])
def test_shrinking_overwrites_nothing(spec, tmp_path, capsys, out):
    """A suite of one SAE, whose own folder is not the suite's."""
    weights = tmp_path / "suite" / "layer_1" / "sae_weights.safetensors"
    make_sae(weights.parent, 1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    before = weights.read_bytes()
    assert main(["saes", "shrink", str(tmp_path / "suite"), str(tmp_path / out), "--model", NAME]) == 2
    told = capsys.readouterr().err
    assert ("has files already" if out == "full" else "would overwrite") in told and told.count("\n") == 1
    assert weights.read_bytes() == before and (tmp_path / "full" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(("layer", "width"), [(1, D_MODEL // 2), (9, D_MODEL)])
def test_shrinking_saes_of_another_model_is_one_sentence(spec, tmp_path, capsys, layer, width):
    make_sae(tmp_path / "suite" / f"layer_{layer}", layer, d_model=width)
    assert main(["saes", "shrink", str(tmp_path / "suite"), str(tmp_path / "out"), "--model", NAME]) == 2
    told = capsys.readouterr().err
    assert f"does not fit layer {layer}" in told and told.count("\n") == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "nobody", "--layers", "1"], "There is no model"),
        (["train", NAME, "--layers", "one"], "is not a list of layers"),
        (["train", NAME, "--layers", "9"], "layers 0 to 3"),
        (["train", NAME, "--layers", "1", "--k", "0"], "k is the number of active features"),
        (["train", NAME, "--layers", "1", "--workers", "2"], "go with --ray"),
        (["train", NAME, "--layers", "1", "--ray", "--workers", "0"], "The number of workers is 0"),
        (["train", NAME, "--layers", "1", "--prompts", "nowhere.txt"], "neither a file nor a known prompt set"),
        (["cards", NAME], "has no SAEs"),
        (["cards", f"{NAME}/trained"], "No SAEs were trained here"),
        (["shrink", "nowhere", "out", "--model", NAME], "There is no folder"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(spec, capsys, words, said):
    assert main(["saes", *words]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_saes_without_a_card_are_named(spec, tiny_spec, capsys):
    registry.register(replace(tiny_spec, name="tiny-published"))
    assert main(["saes", "cards", "tiny-published"]) == 0
    assert "No card for layers 1–3." in capsys.readouterr().out
