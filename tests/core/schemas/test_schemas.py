"""Shapes of what comes from outside: what fits is read, anything else is a ValueError in plain words, of one line."""

from __future__ import annotations

import json
import random

import pytest

from core.schemas import saes, weights
from core.schemas.hub import RepositoryInfo
from core.schemas.neuronpedia import BulkRow, FeatureAnswer, ListedFeatures
from core.schemas.schema import Schema, checked
from core.shaped import parsed

SHA = "a" * 40
FITS: dict[type[Schema], dict] = {
    RepositoryInfo: {"sha": SHA, "siblings": [{"rfilename": "a/b.json", "size": 3, "blob_id": SHA, "lfs": None}]},
    FeatureAnswer: {
        "index": "7",
        "explanations": [{"description": "x", "scores": [{"value": 0.5}]}],
        "activations": [{"tokens": ["a", "b"], "maxValue": 1, "maxValueTokenIndex": 1}],
        "pos_str": ["a"],
        "frac_nonzero": 0.1,
    },
    BulkRow: {"index": 3, "description": "x", "embedding": [1, 2]},
    ListedFeatures: {"features": [{"modelId": "m", "layer": "12-res", "index": 3}], "name": "mine"},
    weights.ModelConfig: {"model_type": "llama"},
    weights.WeightsIndex: {"weight_map": {"a": "1.safetensors"}},
    weights.AdapterConfig: {"r": 8, "lora_alpha": 16},
    saes.SaeLensConfig: {"architecture": "jumprelu", "d_in": 8, "metadata": {"hook_name": "blocks.1.hook_resid_post"}},
    saes.GemmaScope2Config: {"hf_hook_point_in": "model.layers.2.output"},
    saes.LlamaScopeHyperparameters: {
        "d_model": 8,
        "dataset_average_activation_norm": {"in": 2.0},
        "jump_relu_threshold": 0.5,
    },
    saes.DictionaryLearningConfig: {"trainer": {"layer": 3, "activation_dim": 8, "dict_class": "AutoEncoder"}},
    saes.QualityCard: {
        **{name: 1 for name in ("layer", "width", "tokens", "explained_variance", "l0", "silent", "ce_recovered")},
        "intervals": {"l0": [1.0, 2.0]},
    },
}
ODD = [None, [], {}, "x", "", -1, 1e999, float("nan"), True, ["x"], {"x": 1}, "../x", 10**30, [[]]]


@pytest.mark.parametrize("shape", FITS)
def test_what_fits_is_read(shape):
    value = FITS[shape]
    found = parsed(shape, json.dumps(value))
    assert found == checked(shape, value)


@pytest.mark.parametrize("shape", FITS)
def test_any_other_value_anywhere_is_read_or_one_line_in_plain_words(shape):
    """Every field, in turn, becomes every odd value: right, or a ValueError and nothing else."""
    draw, refused = random.Random(0), 0

    def places(value, path=()):
        yield path
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if type(value) is list else ():
            yield from places(inner, (*path, key))

    for path in places(FITS[shape]):
        for odd in draw.sample(ODD, len(ODD)):
            changed = json.loads(json.dumps(FITS[shape]))
            at = changed
            for key in path[:-1]:
                at = at[key]
            if path:
                at[path[-1]] = odd
            try:
                checked(shape, changed if path else odd)
            except ValueError as error:
                refused += 1
                assert "\n" not in str(error) and len(str(error)) < 250 and "pydantic" not in str(error)
    assert refused > 5


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"index": 7, "frac_nonzero": float("nan")}, "“frac_nonzero”: input should be a finite number"),
        ({}, "“index” is missing"),
        ({"index": 7, "activations": [{"tokens": ["a"], "maxValue": 1, "maxValueTokenIndex": 1}]}, "outside the text"),
        ([], "valid dictionary"),
    ],
)
def test_the_words_say_where_and_what(value, says):
    with pytest.raises(ValueError, match=says):
        checked(FeatureAnswer, value)


@pytest.mark.parametrize("name", ["../x", "/x", "~/x", "a//b", "a\\b", "c:x", "a/./b", "", "a\nb"])
def test_a_file_name_never_leads_out_of_its_folder(name):
    with pytest.raises(ValueError, match="leads out of its folder"):
        checked(RepositoryInfo, {"sha": SHA, "siblings": [{"rfilename": name, "blob_id": SHA}]})


@pytest.mark.parametrize("sha", ["a" * 39, "A" * 40, SHA + "\n", "../" + SHA, None, 5])
def test_a_hash_is_a_hash(sha):
    with pytest.raises(ValueError, match="sha"):
        checked(RepositoryInfo, {"sha": sha})
    with pytest.raises(ValueError, match="siblings"):
        checked(RepositoryInfo, {"sha": SHA, "siblings": [{"rfilename": "x", "blob_id": sha}]})
