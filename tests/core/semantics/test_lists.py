"""A named list as a file: back as it went, with Neuronpedia's names where a model has them."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import parse_qs, urlparse

import pytest

from core import Feature, InputError
from core.semantics.lists import FeatureList, quick_list, read_list, write_list

MINE = FeatureList("Weapons", (Feature(1, 4), Feature(2, 7)), "two of them", {Feature(1, 4): "⟦gun⟧ & <b>"})


@pytest.fixture
def with_pages(tiny_spec):
    return replace(tiny_spec, neuronpedia={1: "tiny-base/1-res", 2: "tiny-base/2-res"})


def test_a_list_comes_back_as_it_went(tiny_spec, with_pages):
    for spec in (tiny_spec, with_pages):
        found = read_list(write_list(MINE, spec), spec)
        assert found == MINE and found.notes == MINE.notes


def test_it_is_written_with_neuronpedias_names(with_pages):
    rows = json.loads(write_list(MINE, with_pages))["features"]
    assert rows[0] == {"modelId": "tiny-base", "layer": "1-res", "index": "4", "description": "⟦gun⟧ & <b>"}


def test_a_bare_list_of_features_is_read_and_each_counts_once(with_pages):
    row = {"modelId": "tiny-base", "layer": "1-res", "index": 4}
    assert read_list(json.dumps([row, row]), with_pages).features == (Feature(1, 4),)


def test_its_address_on_neuronpedia_is_the_one_that_saelens_makes(tiny_spec, with_pages, monkeypatch):
    import webbrowser

    from sae_lens.analysis.neuronpedia_integration import get_neuronpedia_quick_list

    monkeypatch.setattr(webbrowser, "open", lambda url: None)
    sae = SimpleNamespace(
        cfg=SimpleNamespace(metadata=SimpleNamespace(model_name="tiny-base", neuronpedia_id="tiny-base/1-res"))
    )
    one_layer = FeatureList("My list", (Feature(1, 4), Feature(1, 9)))
    theirs = get_neuronpedia_quick_list(sae, [4, 9], name="My list")
    assert parse_qs(urlparse(quick_list(one_layer, with_pages, "https://there")).query) == parse_qs(
        urlparse(theirs).query
    )
    assert (
        quick_list(MINE, tiny_spec, "https://there")
        == ""
        == quick_list(FeatureList("", ()), with_pages, "https://there")
    )
    many = FeatureList("many", tuple(Feature(1, i) for i in range(500)))
    assert quick_list(many, with_pages, "https://there") == ""


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "[1]", '{"features": [{"layer": "x", "index": 1}]}', '{"features": 3}']
)
def test_what_is_no_list_is_one_sentence(tiny_spec, text):
    with pytest.raises(InputError, match=r"mine\.json"):
        read_list(text, tiny_spec, "mine.json")


@pytest.mark.parametrize("model", ["tiny", ""])
def test_a_source_is_not_read_as_a_layer_of_a_model_without_sources(tiny_spec, model):
    row = {"modelId": model, "layer": "1", "index": 4}
    assert read_list(json.dumps([row]), tiny_spec).features == (Feature(1, 4),)
    with pytest.raises(InputError, match="1-2-res"):
        read_list(json.dumps([row | {"layer": "1-2-res"}]), tiny_spec)


def test_a_list_of_another_model_is_refused(tiny_spec, with_pages):
    with pytest.raises(InputError, match="Load that model first"):
        read_list(write_list(MINE, with_pages), tiny_spec)
    with pytest.raises(InputError, match="Load that model first"):
        read_list(write_list(MINE, tiny_spec), with_pages)
