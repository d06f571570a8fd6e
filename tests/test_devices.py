"""Which device and number format are chosen, and the reason given for it."""

from types import SimpleNamespace

import pytest
import torch

from core import InputError
from core.devices import choose

SMALL, LARGE = 135_000_000, 2_600_000_000
GIB = 2**30


@pytest.fixture
def machine(monkeypatch):
    """Make torch and psutil report a machine of one's choosing; nothing is put on its devices."""

    def make(cuda=False, mps=False, memory=64 * GIB):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "NVIDIA H200")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=memory))

    return make


@pytest.mark.parametrize(
    ("has", "parameters", "device", "dtype", "reason"),
    [
        ({}, SMALL, "cpu", torch.float32, "no GPU found; float32, exact and small enough here"),
        ({}, LARGE, "cpu", torch.float32, "no GPU found; float32, exact and small enough here"),
        ({"memory": 16 * GIB}, LARGE, "cpu", torch.bfloat16,
         "no GPU found; bfloat16, because float32 would need over half of the memory"),
        ({"cuda": True}, SMALL, "cuda", torch.float32, "GPU NVIDIA H200 found; float32, exact and small enough here"),
        ({"cuda": True}, LARGE, "cuda", torch.bfloat16,
         "GPU NVIDIA H200 found; bfloat16, the format such models are published in"),
        ({"cuda": True, "mps": True}, SMALL, "cuda", torch.float32,
         "GPU NVIDIA H200 found; float32, exact and small enough here"),
        ({"mps": True}, SMALL, "mps", torch.float32, "Apple GPU found; float32, exact and small enough here"),
        ({"mps": True, "memory": 16 * GIB}, LARGE, "mps", torch.bfloat16,
         "Apple GPU found; bfloat16, because float32 would need over half of the memory"),
    ],
)  # fmt: skip
def test_the_choice_and_its_reason(machine, has, parameters, device, dtype, reason):
    machine(**has)
    assert choose(parameters) == (torch.device(device), dtype, reason)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_what_is_asked_for_is_taken(machine, dtype):
    machine(cuda=True)
    asked = choose(LARGE, "cpu", dtype)
    assert asked == (torch.device("cpu"), getattr(torch, dtype), f"cpu as asked; {dtype} as asked")
    assert choose(LARGE, dtype=dtype).reason == f"GPU NVIDIA H200 found; {dtype} as asked"


def test_a_device_asked_for_still_gets_a_fitting_format(machine):
    machine(memory=8 * GIB)
    assert choose(LARGE, "cpu").dtype == torch.bfloat16 and choose(SMALL, "cpu").dtype == torch.float32


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "", "meta", "cpu:x", 7.5, "tpu"])
def test_a_device_that_cannot_be_had_is_one_plain_error(device):
    with pytest.raises(InputError, match=r"cannot be used here \(.+\); try cpu\."):
        choose(SMALL, device)


@pytest.mark.parametrize("dtype", ["float64", "int8", "half", "", torch.float32, ["float32"]])
def test_a_format_that_is_unknown_is_one_plain_error(dtype):
    with pytest.raises(InputError, match="choose float32, bfloat16 or float16"):
        choose(SMALL, "cpu", dtype)
