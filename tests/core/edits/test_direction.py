"""The direction as a value and as a file."""

import math

import pytest
import torch

from core import AssetError, Direction
from core.edits.direction import load_direction, make_direction, save_direction

RAW = torch.tensor([3.0, 0.0, -4.0])
RECORD = {"rule": "paper", "candidates": [{"layer": 1, "kl": 0.25}], "note": "naïve “text”"}


def test_a_raw_difference_becomes_a_unit_vector_with_its_length_kept():
    direction = make_direction(RAW, layer=5)
    assert direction.vector.tolist() == pytest.approx([0.6, 0, -0.8]) and direction.norm == 5
    assert direction.layer == 5 and direction.position == -1 and direction.provenance == {}
    assert direction.vector.dtype == torch.float32 and direction.vector.device.type == "cpu"


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_any_float_format_is_taken(dtype):
    direction = make_direction(RAW.to(dtype), layer=0)
    assert direction.vector.norm().item() == pytest.approx(1, abs=1e-6) and direction.vector.dtype == torch.float32


def test_no_difference_at_all_is_a_zero_vector_and_not_nan():
    direction = make_direction(torch.zeros(4), layer=0)
    assert direction.norm == 0 and direction.vector.tolist() == [0, 0, 0, 0] and math.isfinite(direction.norm)


def test_directions_are_compared_by_what_they_hold():
    one, same = make_direction(RAW, 5), make_direction(RAW.clone(), 5, provenance={"other": "record"})
    assert one == same and hash(one) == hash(same) and one.key == same.key
    others = [make_direction(RAW, 4), make_direction(RAW, 5, position=-2), make_direction(-RAW, 5)]
    assert len({one, *others}) == 4 and one != "direction"


def test_a_saved_direction_is_read_back_to_the_bit(tmp_path):
    direction = make_direction(torch.randn(32), 3, -1, RECORD)
    save_direction(direction, tmp_path / "new" / "folder" / "direction.safetensors")
    again = load_direction(tmp_path / "new" / "folder" / "direction.safetensors")
    assert again == direction and torch.equal(again.vector, direction.vector)
    assert again.norm == direction.norm and again.provenance == RECORD
    assert [p.name for p in (tmp_path / "new" / "folder").iterdir()] == ["direction.safetensors"]


def test_saving_again_replaces_the_file(tmp_path):
    for layer in (1, 2):
        save_direction(make_direction(RAW, layer), tmp_path / "d.safetensors")
    assert load_direction(tmp_path / "d.safetensors").layer == 2


@pytest.mark.parametrize("content", [None, b"", b"not safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_missing_or_broken_file_is_one_plain_error(tmp_path, content):
    path = tmp_path / "d.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AssetError, match=r"d\.safetensors cannot be read.*Compute it"):
        load_direction(path)


def test_a_direction_that_changed_on_the_disk_is_refused(tmp_path):
    path = tmp_path / "d.safetensors"
    save_direction(make_direction(torch.randn(32), 3), path)
    data = bytearray(path.read_bytes())
    data[-4] ^= 1  # the last digit of a number: its length is still 1
    path.write_bytes(data)
    with pytest.raises(AssetError, match="is not the one that was written"):
        load_direction(path)


def test_a_direction_cannot_be_changed():
    with pytest.raises(AttributeError):
        make_direction(RAW, 1).layer = 2
    assert isinstance(make_direction(RAW, 1), Direction)
