"""A tokenizer is loaded from its folder, or refused in one sentence."""

import json
import shutil

import pytest

from core.errors import AssetError
from core.models.tokenizer import load_tokenizer


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder / "model", tmp_path / "model")


def test_it_is_transformers_own(folder):
    assert load_tokenizer("tiny", "a folder", folder)("bread").input_ids


@pytest.mark.parametrize("length", [{}, "long", None, [3]])
def test_a_length_that_texts_cannot_be_compared_with_is_refused(folder, length):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": length}))
    if length is None:  # transformers takes it for one without end
        assert load_tokenizer("tiny", "a folder", folder).model_max_length > 10**20
    else:
        with pytest.raises(AssetError, match=r"“tiny” cannot be loaded from a folder .*model_max_length.*is no number"):
            load_tokenizer("tiny", "a folder", folder)


def test_a_folder_without_one_is_a_sentence(tmp_path):
    with pytest.raises(AssetError, match="The tokenizer of “tiny” cannot be loaded from a folder"):
        load_tokenizer("tiny", "a folder", tmp_path)
