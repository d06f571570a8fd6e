"""Trained suites by name: what counts as finished, names with suites in them, and damage."""

from dataclasses import replace

import pytest

from core.models import registry
from core.models.trained import (
    base_name,
    finish_suite,
    sae_name,
    sae_names,
    suite_folder,
    suite_name,
    trained_names,
    trained_suite,
    training_folder,
    with_trained,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    return tmp_path


def made(name, key, *layers):
    for layer in layers:
        folder = suite_folder(name, key) / f"layer_{layer:02d}"
        folder.mkdir(parents=True)
        (folder / "cfg.json").write_text("{}")
    return finish_suite(name, key, layers)


def test_names_with_suites_and_options_are_about_one_model() -> None:
    for name in ("llama-3.1-8b-instruct", "llama-3.1-8b-instruct/8x", "llama-3.1-8b-instruct+no-system"):
        assert base_name(name) == "llama-3.1-8b-instruct"
        assert suite_name(name) == "llama-3.1-8b-instruct/trained"
        assert training_folder(name) == training_folder("llama-3.1-8b-instruct")


def test_layers_of_the_same_settings_join_and_other_settings_replace() -> None:
    assert trained_suite("a") is None and trained_names() == ()
    made("a", "one", 3)
    assert made("a", "one", 5).layers == (3, 5) and trained_suite("a/16k").layers == (3, 5)
    assert made("a", "two", 4).layers == (4,)
    assert trained_suite("a").sae(4) == suite_folder("a", "two") / "layer_04" and trained_names() == ("a",)


def test_what_is_gone_or_damaged_is_not_there() -> None:
    suite = made("a", "one", 3, 5)
    (suite.sae(3) / "cfg.json").unlink()
    assert trained_suite("a").layers == (5,)
    for text in ("{", "[]", "{}", '{"key": "one"}', '{"key": "one", "layers": 5}'):
        (training_folder("a") / "suite.json").write_text(text)
        assert trained_suite("a") is None


def test_results_of_two_suites_are_told_apart(tiny_spec) -> None:
    one, two = (with_trained(tiny_spec, made("a", key, 3), "a/trained") for key in ("one", "two"))
    assert one.layers == two.layers == (3,) and one != two
    assert (sae_names(one), sae_names(two)) == ("3:one/layer_03", "3:two/layer_03")
    assert sae_name("somewhere/layer_03") == "layer_03", "as it always was"


def test_the_catalogues_models_have_one_too_and_keep_their_own_by_name() -> None:
    made("gemma-2-2b-it", "one", 7)
    assert "gemma-2-2b-it/trained" in registry.model_names()
    spec = registry.find_spec("gemma-2-2b-it/trained")
    assert spec.layers == (7,) and spec.model_id == "google/gemma-2-2b-it" and spec.steering_layer == 16
    assert not spec.neuronpedia and "base model" not in spec.caveat, "what is said of Gemma Scope is not true of these"
    assert registry.find_spec("gemma-2-2b-it").layers == tuple(range(2, 17))


def test_suites_of_unknown_models_are_not_offered(tiny_spec) -> None:
    made("gone", "one", 7)
    assert "gone/trained" not in registry.model_names()
    registry.register(replace(tiny_spec, name="gone"))
    assert "gone/trained" in registry.model_names()
