"""torch's files read without running them: equal to what torch.save was given, bit for bit; damaged ones refused."""

import tracemalloc
import zipfile
from collections import OrderedDict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core import AssetError
from core.saes.formats.torch_zip import TorchFile
from tests.torch_files import refused, rewrite

FORMATS = {
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.int64: torch.int64,
    torch.float64: torch.int64,
    torch.int32: torch.int32,
    torch.int16: torch.int16,
    torch.int8: torch.int8,
    torch.uint8: torch.int8,
}


def any_bits(dtype, *shape, seed=0):
    """Every pattern of bits, not-a-numbers too."""
    whole = torch.randint(-128, 128, (*shape, dtype.itemsize), generator=torch.Generator().manual_seed(seed))
    return whole.to(torch.int8).view(dtype)[..., 0]


def same_bits(found, expected):
    assert found.dtype == expected.dtype and found.shape == expected.shape
    kind = FORMATS.get(expected.dtype, expected.dtype)
    return torch.equal(found.contiguous().view(kind), expected.contiguous().view(kind))


def saved(path, value, **how):
    torch.save(value, path, **how)
    return TorchFile(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ae.pt"


# What torch saves is read as it was


@pytest.mark.parametrize("dtype", list(FORMATS))
def test_what_was_saved_is_read_to_the_bit(path, dtype):
    parts = {
        "matrix": any_bits(dtype, 5, 7),
        "row": any_bits(dtype, 9),
        "number": any_bits(dtype, 1)[0],
        "nothing": any_bits(dtype, 0, 3),
    }
    file = saved(path, parts)
    assert file.names() == tuple(parts)
    for name, expected in parts.items():
        assert file.shape(name) == expected.shape and name in file
        assert same_bits(file.tensor(name), expected)
        torch.testing.assert_close(file.part(name), expected.float(), rtol=0, atol=0, equal_nan=True)


def test_truth_values_are_read(path):
    expected = torch.tensor([[True, False], [False, False]])
    assert torch.equal(saved(path, {"mask": expected}).tensor("mask"), expected)


def test_views_of_one_storage_are_views_of_it(path):
    whole = any_bits(torch.float32, 6, 8)
    parts = {"whole": whole, "turned": whole.T, "part": whole[2:5, 1::3], "column": whole[:, 4], "last": whole[-1, -1]}
    file = saved(path, parts)
    with zipfile.ZipFile(path) as archive:
        assert sum("/data/" in name for name in archive.namelist()) == 1, "one storage, or nothing is shown"
    for name, expected in parts.items():
        assert same_bits(file.tensor(name), expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_stride_and_any_block_of_it(tmp_path_factory, data):
    shape = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    dtype = data.draw(st.sampled_from(list(FORMATS)))
    view = any_bits(dtype, *shape, seed=data.draw(st.integers(0, 9)))
    view = view.permute(*data.draw(st.permutations(range(len(shape)))))
    steps = [
        slice(data.draw(st.integers(0, size)), data.draw(st.integers(0, size)), data.draw(st.integers(1, 3)))
        for size in view.shape
    ]
    view = view[tuple(steps)]
    file = saved(tmp_path_factory.mktemp("any") / "x.pt", OrderedDict(view=view, plain=view.contiguous()))
    block = [
        slice(data.draw(st.integers(0, 5)), data.draw(st.integers(0, 5)))
        for _ in range(data.draw(st.integers(0, view.ndim)))
    ]
    for name in ("view", "plain"):
        assert same_bits(file.tensor(name), view)
        assert same_bits(file.tensor(name, *block), view[tuple(block)])


def test_a_modules_state_dict_and_parameters(path):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).half()
    for value in (module.state_dict(), dict(module.named_parameters())):
        file = saved(path, value)
        assert set(file.names()) == set(value)
        assert all(same_bits(file.tensor(name), tensor.detach()) for name, tensor in value.items())
        assert file.half(), "the counter of batches is int64 and is not asked"
    assert not saved(path, {"a": torch.zeros(2).half(), "b": torch.zeros(2)}).half()
    assert not saved(path, {"a": torch.zeros(2).bfloat16()}).half()


def test_what_lies_beside_the_tensors_is_left_out(path):
    beside = {
        "step": 7,
        "lr": 1e-3,
        "name": "x",
        "big": 2**40,
        "none": None,
        "yes": True,
        "list": [1, [2]],
        "t": (1,),
        "size": torch.Size([2, 3]),
        "dtype": torch.float32,
        "device": torch.device("cuda:0"),
        "inner": {"W": torch.zeros(2)},
        5: torch.zeros(2),
    }
    file = saved(path, beside | {"W": torch.ones(2)})
    assert file.names() == ("W",) and "inner" not in file and torch.equal(file.part("W"), torch.ones(2))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_torch_can_write(path, protocol):
    expected = any_bits(torch.bfloat16, 4, 3)
    long = {f"name{n}" + 300 * "x": n for n in range(1500)}  # groups, long text, frames
    file = saved(path, {"W": expected, "beside": long}, pickle_protocol=protocol)
    assert same_bits(file.tensor("W"), expected)


@pytest.mark.parametrize("dtype", list(FORMATS))
def test_a_file_from_a_machine_of_the_other_byte_order(path, dtype):
    expected = any_bits(dtype, 3, 5)
    torch.save({"W": expected}, path)
    swapped = expected.contiguous().view(torch.uint8).reshape(-1, dtype.itemsize).flip(-1).numpy().tobytes()
    rewrite(path, {"byteorder": b"big", "data/0": swapped})
    assert same_bits(TorchFile(path).tensor("W"), torch.load(path)["W"]) and same_bits(torch.load(path)["W"], expected)


def test_a_file_without_a_note_of_its_byte_order_is_little_endian(path):
    expected = any_bits(torch.float32, 4)
    torch.save({"W": expected}, path)
    rewrite(path, {"byteorder": None})
    assert same_bits(TorchFile(path).tensor("W"), expected)


def test_a_block_is_read_and_not_the_file(path):
    wide = 40_000
    torch.save({"encoder.weight": torch.zeros(wide, 64), "decoder.weight": torch.ones(64, wide)}, path)
    tracemalloc.start()
    file = TorchFile(path)
    some = slice(100, 200)
    assert file.part("encoder.weight", some).shape == (100, 64)
    assert file.part("decoder.weight", slice(None), some).shape == (64, 100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000 < path.stat().st_size


# What is no whole torch file is refused


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_compressed_members_are_refused(path, how):
    torch.save({"W": torch.zeros(1000)}, path)
    rewrite(path, {}, how)
    refused(path, "compressed")


def test_torchs_old_format_is_refused_with_the_mend(path):
    torch.save({"W": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)
    refused(path, "before version 1.6", "safetensors")


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_is_one_sentence(tmp_path_factory, share):
    path = tmp_path_factory.mktemp("cut") / "ae.pt"
    torch.save({"W": torch.zeros(30)}, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, "Restore it")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_bytes_change_it_is_read_or_refused(tmp_path_factory, data):
    """Hostile or broken by chance: an AssetError, or tensors of the file's own bytes, and never anything else."""
    path = tmp_path_factory.mktemp("changed") / "ae.pt"
    torch.save({"W": torch.arange(6.0), "k": torch.tensor(3)}, path)
    whole = bytearray(path.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=6)):
        whole[at] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    try:
        file = TorchFile(path)
    except AssetError:
        return
    for name in file.names():
        assert file.tensor(name).numel() <= 8


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"byteorder": b"middle"}, "byte order"),
        ({"byteorder": b"l" * 100}, "byte order"),
        ({"data.pkl": None}, "no data.pkl"),
        ({"data/0": None}, "is missing"),
        ({"data/0": b"short"}, "shorter"),
    ],
)
def test_an_archive_that_lacks_something_is_one_sentence(path, members, told):
    torch.save({"W": torch.zeros(30)}, path)
    rewrite(path, members)
    refused(path, told)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(path):
    torch.save({"W": torch.zeros(3)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("ae/data.pkl", b"\x80\x02}.")
    refused(path, "two members")


def test_no_file_is_one_sentence(path):
    refused(path, "Restore it")
