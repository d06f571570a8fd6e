"""Models by name: data only."""

from dataclasses import replace

import pytest

from core import ModelSpec, UnknownModelError, load
from core.models import registry
from core.paths import assets_folder


def test_the_demo_is_known_and_lies_in_the_assets():
    spec = registry.find_spec("demo")
    assert spec.name == "demo" and spec.model_id == "demo-base" and registry.model_names()[0] == "demo"
    assert spec.layers == tuple(sorted(spec.saes)) and all(path.is_dir() for path in spec.saes.values())
    for path in (spec.adapter, spec.direction, spec.prompts, spec.labels):
        assert path.is_relative_to(assets_folder() / "demo")
    assert "135M" in spec.caveat and spec.refusal_tokens == (57,)


@pytest.mark.parametrize("name", ["gemma", "", "Demo", "../demo", None, 7, "x" * 10_000])
def test_an_unknown_name_is_one_plain_error_that_names_the_known(name):
    with pytest.raises(UnknownModelError, match="Known models: demo") as caught:
        load(name)
    assert len(str(caught.value)) < 300


def test_a_spec_of_ones_own_is_known_once_registered(tiny_spec):
    registry.register(tiny_spec)
    assert registry.model_names()[:2] == ("demo", "tiny") and registry.find_spec("tiny") is tiny_spec
    registry.register(replace(tiny_spec, caveat="newer"))
    assert registry.find_spec("tiny").caveat == "newer" and registry.model_names().count("tiny") == 1


def test_the_pages_model_is_named_by_the_environment(monkeypatch):
    monkeypatch.delenv("HYDRASCOPE_MODEL", raising=False)
    assert registry.chosen_name() == "demo"
    monkeypatch.setenv("HYDRASCOPE_MODEL", "tiny")
    assert registry.chosen_name() == "tiny"
    monkeypatch.setenv("HYDRASCOPE_MODEL", "")
    assert registry.chosen_name() == "demo"


def test_whether_anybody_chose_a_model_is_known(monkeypatch, tiny_spec):
    monkeypatch.setenv("HYDRASCOPE_MODEL", "")
    assert not registry.is_chosen()
    registry.choose_model(tiny_spec)
    assert registry.is_chosen() and registry.chosen_name() == "tiny"
    registry.choose_model(None)
    assert not registry.is_chosen() and registry.chosen_name() == "demo"
    monkeypatch.setenv("HYDRASCOPE_MODEL", "demo")
    assert registry.is_chosen()


def test_specs_are_values_that_can_be_hashed(tiny_spec):
    assert tiny_spec == replace(tiny_spec) and hash(tiny_spec) == hash(replace(tiny_spec))
    assert tiny_spec != replace(tiny_spec, revision="other")
    assert ModelSpec("a", "b", (), (1,)).saes == {}
    with pytest.raises(AttributeError):
        tiny_spec.name = "other"
