"""Training by a model's name: the tiny model from the registry, the shipped prompts, and what is refused."""

from dataclasses import replace

import pytest

from core.errors import InputError
from core.models import registry
from core.training.command import shipped_texts_for_training, train_for, training_folder


@pytest.fixture
def registered(tiny_spec, monkeypatch, tmp_path):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    spec = replace(tiny_spec, name="tiny-to-train", layers=(), saes={})
    registry.register(spec)
    return spec


@pytest.fixture
def few_prompts(monkeypatch, page_spec):
    monkeypatch.setattr("core.training.command.prompts_file", lambda: page_spec.prompts)


def test_held_out_prompts_are_never_trained_on() -> None:
    shipped = shipped_texts_for_training()
    more = shipped_texts_for_training(["one more prompt", shipped.held_out[0], " "])
    assert not set(more.train) & set(more.held_out)
    assert len(more.train) == len(shipped.train) + 1
    assert set(shipped.often) <= set(shipped.train)


def test_it_trains_the_model_of_that_name(registered, few_prompts, settings) -> None:
    settings = replace(settings, layers=(1,))
    prompts = [f"Tell me about bread number {n}." for n in range(5)]
    folder, cards = train_for("tiny-to-train", settings, prompts=prompts, device="cpu", dtype="float32")
    assert folder == training_folder(registered) / "saes"
    assert [path.name for path in folder.iterdir()] == ["layer_01"] and set(cards) == {1}


def test_layers_it_does_not_have_are_refused(registered, settings) -> None:
    with pytest.raises(InputError, match="layers 0 to 3"):
        train_for("tiny-to-train", replace(settings, layers=(4,)), device="cpu")


def test_the_demo_has_its_own_recipe(settings) -> None:
    with pytest.raises(InputError, match="scripts/demo"):
        train_for("demo", settings)
