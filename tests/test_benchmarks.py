"""The benchmarks' own logic on the tiny model: the same work is compared, and nothing is timed where it is not."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import demo_sets, geometry, gpu, honest, qwen, rows, sizes
from core import Edits, Engine
from core.models.registry import find_spec


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


def test_a_forward_that_something_slowed_down_is_no_yardstick(tiny):
    fair = honest.yardstick(tiny.model, [1e-9], 64, 4, runs=1)
    slowed = honest.yardstick(tiny.model, [60.0], 64, 4, runs=1)
    assert fair.serves and not slowed.serves and "no ratio is printed" in slowed.sentence()
    assert "no ratio" not in fair.sentence() and fair.gflops > 0


def test_operations_are_those_of_every_product(tiny):
    counted = 0

    def count(module, arguments, output):
        nonlocal counted
        counted += 2 * output.numel() * module.in_features

    layers = [one for one in tiny.model.modules() if isinstance(one, torch.nn.Linear)]
    handles = [one.register_forward_hook(count) for one in layers]
    ids = torch.tensor([tiny.prompt(demo_sets.PROMPT).ids])
    with torch.inference_mode():
        tiny.model(ids, logits_to_keep=1)
    for handle in handles:
        handle.remove()
    assert honest.operations(tiny.model, ids.numel(), 1) == counted


def test_nothing_is_shown_beside_a_forward_that_is_no_yardstick(capsys):
    found = {
        "against_unhooked": (1.0, 1.0, 1.0),
        "against_unhooked_last_logits": (1.0, 1.0, 1.0),
        "yardstick": (9.0, 1.0, 100.0),
    }
    demo_sets.show(found)
    assert capsys.readouterr().out.count("\n") == 1


def test_both_sides_write_rows_of_one_length(tiny):
    found = rows.compare(tiny, 5, 6, 4, 1)
    assert found["tokens_per_second"] > 0 and all(value > 0 for value in found["written_speed"])
    ids = torch.tensor([tiny.prompt(demo_sets.PROMPT).ids])
    plain = rows.written(tiny.model, ids, 3, 4)
    endless = Engine(replace(tiny.runtime, stop_ids=frozenset()), "rows of one length")
    (answer,) = endless.answers([demo_sets.PROMPT], [Edits()], 4)[0]
    assert [tiny.tokenizer.decode(one, skip_special_tokens=True) for one in plain] == [answer] * 3


def test_layers_beyond_the_demos_saes_have_copies_of_them(tmp_path):
    demo = find_spec("demo")
    assert sizes.spec_with(10, tmp_path) == demo
    spec = sizes.spec_with(26, tmp_path)
    found = {layer: json.loads((Path(str(folder)) / "cfg.json").read_text()) for layer, folder in spec.saes.items()}
    assert list(found) == list(range(26)) == list(spec.layers)
    assert all(one["metadata"]["hook_name"] == f"blocks.{layer}.hook_resid_post" for layer, one in found.items())


def test_points_of_the_cost_over_size_are_as_they_say(tiny):
    point = sizes.Point(prompts=1, sets=3, features=7, layers=2)
    sets = sizes.edit_sets(tiny, point)
    assert [len(one.features) for one in sets] == [7, 7, 7] and {f.layer for one in sets for f in one.features} == {
        1,
        2,
    }
    assert len({*sets}) == 3 and sizes.measured(tiny, point) > 0


def test_the_unhooked_forward_is_the_models_own(tiny):
    ids = torch.tensor([tiny.prompt(demo_sets.PROMPT).ids]).expand(3, -1)
    with torch.inference_mode():
        found, _ = honest.last_logits(tiny.model, ids, use_cache=False)
        torch.testing.assert_close(found, tiny.model(ids).logits[:, -1], rtol=1e-5, atol=1e-5)


def _ends(queue) -> None:
    """As where the system ends a process for its memory."""
    os._exit(9)


def _gives(number, queue) -> None:
    queue.put(2 * number)


def test_a_process_that_ends_without_a_result_is_not_waited_for():
    assert geometry.apart(_gives, 21) == 42
    with pytest.raises(SystemExit, match=r"_ends ended without a result \(exit code 9\)"):
        geometry.apart(_ends)
