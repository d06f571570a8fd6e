"""The one resident engine: kept while it is asked for, let go whole when another takes its place."""

import gc
import weakref
from dataclasses import replace

import pytest
import torch

from cache import resident
from core import AssetError, Edits, UnknownModelError, registry
from core.errors import Cancelled


@pytest.fixture
def two(tiny_spec, monkeypatch):
    """Two models of different names, registered; nothing is resident before or after."""
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(registry, "_chosen", [])
    resident._engines.clear()
    specs = [replace(tiny_spec, name=name) for name in ("one", "other")]
    for spec in specs:
        registry.register(spec)
    yield specs
    resident._engines.clear()
    gc.unfreeze()
    gc.collect()


def live_bytes():
    """Bytes of all tensors there are."""
    gc.unfreeze()
    gc.collect()
    found = [one for one in gc.get_objects() if isinstance(one, torch.Tensor)]
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in found}.values())


def test_it_is_kept_and_another_takes_its_place(two):
    first = resident.resident("one")
    assert resident.resident("one") is first and resident.is_resident("one")
    gone = weakref.ref(first.model)
    del first
    resident.resident("other")
    gc.unfreeze()
    gc.collect()
    assert gone() is None and not resident.is_resident("one")


def test_ten_switches_return_memory_to_where_it_was(two):
    text, held = "How do I bake bread?", []
    for number in range(11):
        engine = resident.resident(("one", "other")[number % 2])
        engine.measure(text, [Edits(), Edits.ablate([(1, 3)])])
        "".join(engine.generate(text, max_new_tokens=2))
        del engine
        held.append(live_bytes())
    weights = sum(p.numel() * 4 for p in resident.resident("one").model.parameters())
    assert max(held[1:]) - held[0] < 0.1 * weights, held


def test_other_layers_under_the_same_name_are_loaded_anew(two):
    first = resident.resident("one")
    registry.choose(replace(two[0], layers=(1,), saes={1: two[0].saes[1]}))
    assert not resident.is_resident("one")
    assert resident.resident("one").spec.layers == (1,) and resident.resident("one") is not first
    assert registry.chosen_name() == "one"


def test_the_model_in_use_can_be_let_go_and_is_loaded_again_when_asked_for(two):
    gone = weakref.ref(resident.resident("one").model)
    assert resident.in_use() == ("one",)
    resident.let_go()
    assert gone() is None and resident.in_use() == () and not resident.is_resident("one")
    assert resident.resident("one").spec.name == "one"


def test_a_failed_or_stopped_load_leaves_nothing_behind(two, tmp_path):
    registry.register(replace(two[0], name="broken", model_id=str(tmp_path / "nowhere")))
    with pytest.raises(AssetError):
        resident.resident("broken")
    assert not resident._engines
    with pytest.raises(UnknownModelError):
        resident.resident("nobody")
    assert resident.resident("one").spec.name == "one"


def test_a_stop_while_an_sae_is_packed_is_heard(two, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    with pytest.raises(Cancelled):
        resident.resident("one", cancelled=lambda: True)
    assert not resident._engines
