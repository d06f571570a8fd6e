"""The benchmarks' own logic on the tiny model: the same work is compared, and nothing is timed where it is not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import demo_sets, gpu, qwen
from core import Edits, Engine


@pytest.fixture
def sets(tiny):
    return demo_sets.random_sets(tiny, 8, 6)


def test_random_sets_are_drawn_evenly_over_the_layers(tiny, sets):
    again = demo_sets.random_sets(tiny, 8, 6)
    for one, other in zip(sets, again, strict=True):
        assert one.arrays.index.tolist() == other.arrays.index.tolist() and len(one.features) == 6
        assert np.bincount(one.arrays.layer).tolist() == [0, 2, 2, 2]


def test_the_comparison_with_saelens_is_of_the_same_work(tiny, sets):
    found = demo_sets.compare(tiny, demo_sets.peer_of(tiny), sets, 1)
    assert found["worst_difference"] < 1e-5 and found["tokens"] == len(tiny.prompt(demo_sets.PROMPT))
    rate = found["sets_per_second"]
    assert found["against_saelens"] == rate["ours"] / rate["SAELens one a forward"] > 0


def test_nothing_is_timed_where_the_two_do_different_work(tiny, sets, monkeypatch):
    peer = demo_sets.peer_of(tiny)
    monkeypatch.setattr(peer, "run", lambda ids, edits: torch.zeros(1, 1, 320))
    monkeypatch.setattr(demo_sets, "interleaved", None)
    with pytest.raises(SystemExit, match="nothing is timed"):
        demo_sets.compare(tiny, peer, sets, 1)


def test_differences_between_devices_are_found_and_between_the_same_are_none(tiny, sets):
    asked = [Edits(), Edits.ablate_direction(tiny.direction()), *sets[:2]]
    prompts = ["How do I bake bread?", "Tell me a story."]
    same = Engine(tiny.runtime, "the same")
    assert gpu.differences(tiny, same, prompts, [*sets[:1], *asked])["cosine"] == float("inf"), (
        "it has no direction yet"
    )
    same.use_direction(tiny.direction())
    alike = gpu.differences(tiny, same, prompts, [*sets[:1], *asked])
    assert set(alike) == {"refusal_score", "p_refusal", "cosine", "activations", "kl"} and not any(alike.values())
    other = Engine(replace(tiny.runtime, spec=replace(tiny.spec, refusal_tokens=(41,))), "another score")
    other.use_direction(tiny.direction())
    unlike = gpu.differences(tiny, other, prompts, [*sets[:1], *asked])
    assert unlike["refusal_score"] > 0 and unlike["activations"] == 0


def test_without_a_gpu_that_is_said_and_nothing_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "demo", None)
    assert gpu.main(1) == {} and "No GPU" in capsys.readouterr().out


def test_a_real_model_that_is_not_here_is_not_timed(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    monkeypatch.setattr(qwen, "apart", None)
    assert qwen.main(1) == {} and f"prepare --model {qwen.NAME}" in capsys.readouterr().out
