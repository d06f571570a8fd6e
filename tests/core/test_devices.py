"""Which device and number format are chosen, and the reason given for it."""

from types import SimpleNamespace

import pytest
import torch

from core import InputError
from core.devices import fast_bfloat16, free_memory, memory_for, placement_for, room_for_weights

SMALL, LARGE = 135_000_000, 2_600_000_000
GIB = 2**30


@pytest.fixture
def machine(monkeypatch):
    """Make torch and psutil report a machine of one's choosing; nothing is put on its devices."""

    def make(cuda=False, mps=False, memory=64 * GIB, gpus=1, gpu_memory=80 * GIB):
        for name in ("HYDRASCOPE_DEVICE", "HYDRASCOPE_DTYPE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "NVIDIA H200")
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (gpu_memory, gpu_memory))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda *_: 3 * GIB)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda *_: 2 * GIB)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=memory, available=memory // 2))

    return make


@pytest.mark.parametrize(
    ("has", "parameters", "device", "dtype", "reason"),
    [
        ({}, SMALL, "cpu", torch.float32, "no GPU found; float32, which is exact and fits here"),
        ({}, LARGE, "cpu", torch.bfloat16, "no GPU found; bfloat16, the format such models are published in"),
        (
            {"memory": GIB},
            SMALL,
            "cpu",
            torch.bfloat16,
            "no GPU found; bfloat16, because float32 would need more than half of the memory",
        ),
        ({"cuda": True}, SMALL, "cuda", torch.float32, "GPU NVIDIA H200 found; float32, which is exact and fits here"),
        (
            {"cuda": True},
            LARGE,
            "cuda",
            torch.bfloat16,
            "GPU NVIDIA H200 found; bfloat16, the format such models are published in",
        ),
        (
            {"cuda": True, "mps": True},
            SMALL,
            "cuda",
            torch.float32,
            "GPU NVIDIA H200 found; float32, which is exact and fits here",
        ),
        ({"mps": True}, SMALL, "mps", torch.float32, "Apple GPU found; float32, which is exact and fits here"),
        (
            {"mps": True},
            LARGE,
            "mps",
            torch.bfloat16,
            "Apple GPU found; bfloat16, the format such models are published in",
        ),
    ],
)
def test_the_choice_and_its_reason(machine, has, parameters, device, dtype, reason):
    machine(**has)
    assert placement_for(parameters) == (torch.device(device), dtype, reason, None)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_what_is_asked_for_is_taken(machine, dtype):
    machine(cuda=True)
    asked = placement_for(LARGE, "cpu", dtype)
    assert asked == (torch.device("cpu"), getattr(torch, dtype), f"cpu as requested; {dtype} as requested", None)
    assert placement_for(LARGE, dtype=dtype).reason == f"GPU NVIDIA H200 found; {dtype} as requested"


def test_a_device_asked_for_still_gets_a_fitting_format(machine):
    machine(memory=8 * GIB)
    assert placement_for(LARGE, "cpu").dtype == torch.bfloat16 and placement_for(SMALL, "cpu").dtype == torch.float32


def test_the_format_can_be_asked_for_outside(machine, monkeypatch):
    machine()
    monkeypatch.setenv("HYDRASCOPE_DTYPE", "float32")
    assert (
        placement_for(LARGE).dtype == torch.float32 and placement_for(LARGE, dtype="bfloat16").dtype == torch.bfloat16
    )
    monkeypatch.setenv("HYDRASCOPE_DTYPE", "float64")
    with pytest.raises(InputError, match="choose float32, bfloat16 or float16"):
        placement_for(LARGE)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "", "meta", "cpu:x", 7.5, "tpu"])
def test_a_device_that_cannot_be_had_is_one_plain_error(device):
    with pytest.raises(InputError, match=r"cannot be used here \(.+\); try cpu\."):
        placement_for(SMALL, device)


@pytest.mark.parametrize("dtype", ["float64", "int8", "half", "", torch.float32, ["float32"]])
def test_a_format_that_is_unknown_is_one_plain_error(dtype):
    with pytest.raises(InputError, match="choose float32, bfloat16 or float16"):
        placement_for(SMALL, "cpu", dtype)


HUGE = 70_000_000_000


def test_several_gpus_are_used_for_what_one_cannot_hold(machine):
    machine(cuda=True, gpus=4)
    assert placement_for(HUGE) == (
        torch.device("cuda"),
        torch.bfloat16,
        "GPU NVIDIA H200 found; too large for this device, so spread over all GPUs, main memory and disk; "
        "bfloat16, the format such models are published in",
        "auto",
    )
    assert placement_for(LARGE).spread is None and placement_for(HUGE, "cpu").spread is None


def test_one_gpu_is_spread_over_main_memory_only_when_asked(machine):
    machine(cuda=True)
    assert placement_for(HUGE).spread is None
    assert placement_for(HUGE, "auto").spread == "auto" and placement_for(LARGE, "auto") == placement_for(LARGE)


def test_without_a_gpu_what_main_memory_cannot_hold_goes_to_disk_when_asked(machine):
    machine(memory=16 * GIB)
    found = placement_for(8_000_000_000, "auto")
    assert found.spread == "auto" and found.device == torch.device("cpu")
    assert "too large for this device, so spread over main memory and disk" in found.reason
    assert placement_for(8_000_000_000).spread is None


def test_working_space_counts_when_it_is_asked_whether_one_device_is_enough(machine):
    machine(cuda=True, gpus=2, gpu_memory=int(2 * HUGE * 1.2))
    assert placement_for(HUGE).spread == "auto"
    machine(cuda=True, gpus=2, gpu_memory=int(2 * HUGE * 1.3))
    assert placement_for(HUGE).spread is None
    assert memory_for(HUGE, torch.bfloat16) == int(2 * HUGE * 1.3) and memory_for(0, torch.float32) == 400_000_000


def test_what_torch_keeps_for_later_is_free(machine):
    machine(cuda=True)
    assert free_memory(torch.device("cuda")) == 81 * GIB and free_memory(torch.device("cpu")) == 32 * GIB


def test_weights_that_are_spread_leave_working_space_on_every_device(machine):
    machine(cuda=True, gpus=2)
    assert room_for_weights() == {0: int(81 * GIB / 1.3), 1: int(81 * GIB / 1.3), "cpu": int(0.8 * 32 * GIB)}
    machine()
    assert room_for_weights() == {"cpu": int(0.8 * 32 * GIB)}


def test_a_device_may_be_named_in_the_environment(machine, monkeypatch):
    machine(cuda=True)
    monkeypatch.setenv("HYDRASCOPE_DEVICE", "cpu")
    assert placement_for(SMALL).device == torch.device("cpu") and placement_for(SMALL).reason.startswith(
        "cpu as requested"
    )
    monkeypatch.setenv("HYDRASCOPE_DEVICE", "auto")
    assert placement_for(HUGE).spread == "auto" and placement_for(HUGE, "cpu").spread is None
    monkeypatch.setenv("HYDRASCOPE_DEVICE", "gpu")
    with pytest.raises(InputError, match="The device “gpu” cannot be used here"):
        placement_for(SMALL)


def test_a_map_is_taken_as_it_is(machine):
    machine()
    parts = {"model": "cpu", "lm_head": "disk"}
    assert placement_for(LARGE, parts) == (
        torch.device("cpu"),
        torch.bfloat16,
        "on cpu and disk as requested; bfloat16, the format such models are published in",
        parts,
    )
    with pytest.raises(InputError, match="The device “tpu” cannot be used here"):
        placement_for(LARGE, {"": "tpu"})


@pytest.mark.parametrize("unit", [True, False])
def test_a_processor_with_a_unit_for_bfloat16_is_known(monkeypatch, unit):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": unit})
    assert fast_bfloat16(torch.device("cpu")) is unit
    assert not fast_bfloat16(torch.device("cuda"))
