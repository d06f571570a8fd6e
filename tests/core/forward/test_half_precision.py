"""Large products in float32 on CPUs without half-precision units: closer to exact, and only inside a pass."""

import torch

from core import Edits, load
from core.edits.edits import Feature
from core.forward import half_precision


def test_only_slow_x86_processors_and_half_precision_ask_for_it(monkeypatch):
    for capability, dtype, expected in (
        ("AVX2", torch.bfloat16, True),
        ("AVX2", torch.float32, False),
        ("AVX512", torch.bfloat16, False),
    ):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        assert half_precision.helps(torch.device("cpu"), dtype) is expected
    assert not half_precision.helps(torch.device("cuda"), torch.bfloat16)


def test_measurements_are_no_farther_from_float32_than_without_it(tiny_spec, tiny, monkeypatch):
    prompt = "Tell me a story about a small town, please. " * 3
    sets = [Edits(), Edits.ablate([Feature(2, i) for i in range(48)]), Edits.clamp([Feature(1, 3)], 4.0)]
    exact = tiny.measure([prompt], sets).refusal_score
    worst = {}
    for capability in ("AVX2", "AVX512"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        engine = load(tiny_spec, device="cpu", dtype="bfloat16")
        worst[capability] = abs(engine.measure([prompt], sets).refusal_score - exact).max()
    # bfloat16 keeps 8 bits; a random 4-layer model's log-odds move by some tenths either way
    assert worst["AVX2"] <= worst["AVX512"] + 0.1


def test_outside_a_measurement_the_model_stays_the_plain_one(tiny_spec, monkeypatch):
    ids = torch.arange(2, 90)[None]
    logits = {}
    for capability in ("AVX2", "AVX512"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability)
        logits[capability] = load(tiny_spec, device="cpu", dtype="bfloat16").model(ids).logits
    assert torch.equal(logits["AVX2"], logits["AVX512"])
