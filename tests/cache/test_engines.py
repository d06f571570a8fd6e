"""The one loaded engine: kept while it is asked for, unloaded whole when another takes its place."""

import gc
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cache import engines
from core import AssetError, Edits, InputError, UnknownModelError
from core.errors import Cancelled
from core.models import registry

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def registered(tiny_spec, monkeypatch):
    """Models of different names, registered; nothing is loaded before or after."""
    monkeypatch.delenv("HYDRASCOPE_MODELS", raising=False)
    engines.unload_all()
    specs = [replace(tiny_spec, name=name) for name in ("one", "other", "third")]
    for spec in specs:
        registry.register(spec)
    yield specs
    engines.unload_all()


@pytest.fixture
def collector(monkeypatch):
    """The engines use Python's own collector, which other tests keep from them because it thaws every import."""
    monkeypatch.setattr(engines, "gc", gc)
    yield gc
    gc.collect()
    gc.freeze()


def live_tensors():
    """All tensors there are of those made in this test."""
    gc.collect()
    return [one for one in gc.get_objects() if issubclass(type(one), torch.Tensor)]


def live_bytes():
    """Bytes of all tensors there are."""
    found = live_tensors()
    return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in found}.values())


def test_it_is_kept_and_another_takes_its_place(registered, collector):
    first = engines.get_engine("one")
    assert engines.get_engine("one") is first and engines.is_loaded("one")
    gone = weakref.ref(first.model)
    del first
    engines.get_engine("other")
    assert gone() is None and not engines.is_loaded("one")


def test_the_collector_does_not_look_at_a_loaded_model_and_still_frees_one_that_left(registered, collector):
    model = engines.get_engine("one").model
    assert all(thing is not model for thing in gc.get_objects())
    gone = weakref.ref(model)
    del model
    engines.unload_all()
    assert gone() is None


@pytest.mark.slow
def test_ten_switches_return_memory_to_where_it_was(registered):
    text, held = "How do I bake bread?", []
    for number in range(11):
        engine = engines.get_engine(("one", "other")[number % 2])
        engine.measure(text, [Edits(), Edits.ablate([(1, 3)])])
        "".join(engine.generate(text, max_new_tokens=2))
        del engine
        if number in (0, 5, 10):  # looking at every object there is takes longer than a switch
            held.append(live_bytes())
    weights = sum(p.numel() * 4 for p in engines.get_engine("one").model.parameters())
    assert max(held[1:]) - held[0] < 0.1 * weights, held


@pytest.mark.parametrize("most", [1, 2])
def test_columns_and_layers_that_were_held_leave_with_their_model(registered, monkeypatch, most):
    """With two allowed, three names in turn: one always leaves, and all that it held with it."""
    monkeypatch.setenv("HYDRASCOPE_MODELS", str(most))
    text, held = "How do I bake bread?", []
    for number in range(5 + most):
        engine = engines.get_engine(("one", "other", "third")[number % (1 + most)])
        engine.measure(text, [Edits(), Edits.ablate([(1, 3), (2, 4), (3, 5)])])
        engine.features(text)
        own = engine.runtime.residency.held
        # Of the layers what a look at a prompt reads, which is the encoders, and the columns.
        assert own > sum(d.path.stat().st_size for d in engine.runtime.dictionaries.values()) / 2
        assert len(engines.loaded_names()) == min(most, number + 1)
        del engine
        if number in (most, 4 + most):
            held.append(live_bytes())
    assert held[1] - held[0] < 0.1 * own, held


def test_nothing_of_a_replaced_model_stays_alive(registered):
    before = {id(tensor) for tensor in live_tensors()}
    engine = engines.get_engine("one")
    engine.measure("How do I bake bread?", Edits.ablate([(1, 3)]))
    engine.features("How do I bake bread?")
    parts = [engine, engine.runtime, engine.model, engine.runtime.residency]
    parts += [tensor for tensor in live_tensors() if id(tensor) not in before]
    gone = [weakref.ref(part) for part in parts]
    assert len(gone) > 50
    del engine, parts
    engines.get_engine("other")
    assert not [ref() for ref in gone if ref() is not None]


def test_several_may_stay_and_the_one_not_used_for_longest_leaves(registered, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_MODELS", "2")
    first, other = engines.get_engine("one"), engines.get_engine("other")
    assert engines.get_engine("one") is first and engines.is_loaded("other")
    engines.get_engine("third")
    assert engines.is_loaded("one") and not engines.is_loaded("other") and engines.is_loaded("third")
    assert engines.get_engine("one") is first and engines.get_engine("other") is not other


def test_before_another_that_would_not_fit_columns_leave_and_then_models(registered, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_MODELS", "9")
    first = [engines.get_engine(name) for name in ("one", "other")]
    for engine in first:
        engine.features("How do I bake bread?")
    real, free = engines.footprint, []

    def short(spec):
        """Room for the next as soon as nothing but `free` engines are there and nothing is held."""
        found = real(spec)
        names = engines.loaded_names()
        held = sum(engine.sae_bytes for engine in first if engine.spec.name in names)
        return replace(found, free=found.memory - (held > 0 or len(names) > free[-1]))

    monkeypatch.setattr(engines, "footprint", short)
    free.append(2)
    engines.get_engine("third")
    assert engines.loaded_names() == ("one", "other", "third")
    assert [engine.sae_bytes for engine in first] == [0, 0]
    free.append(1)
    registry.register(replace(registered[0], name="fourth"))
    engines.get_engine("fourth")
    assert engines.loaded_names() == ("third", "fourth")
    free.append(-1)  # never enough: the last way is to try with nothing else loaded
    engines.get_engine("one")
    assert engines.loaded_names() == ("one",)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_number_of_models_that_is_none_is_one_plain_error_and_changes_nothing(registered, monkeypatch, text):
    first = engines.get_engine("one")
    monkeypatch.setenv("HYDRASCOPE_MODELS", text)
    with pytest.raises(InputError, match=f"HYDRASCOPE_MODELS is “{text}”"):
        engines.get_engine("other")
    assert engines.get_engine("one") is first


def test_other_layers_under_the_same_name_are_loaded_anew(registered):
    first = engines.get_engine("one")
    registry.choose_model(replace(registered[0], layers=(1,), saes={1: registered[0].saes[1]}))
    assert not engines.is_loaded("one")
    assert engines.get_engine("one").spec.layers == (1,) and engines.get_engine("one") is not first
    assert registry.chosen_name() == "one"


def test_the_model_in_use_can_be_let_go_and_is_loaded_again_when_asked_for(registered):
    gone = weakref.ref(engines.get_engine("one").model)
    assert engines.loaded_names() == ("one",)
    engines.unload_all()
    assert gone() is None and engines.loaded_names() == () and not engines.is_loaded("one")
    assert engines.get_engine("one").spec.name == "one"


def test_a_failed_or_stopped_load_leaves_nothing_behind(registered, tmp_path):
    registry.register(replace(registered[0], name="broken", model_id=str(tmp_path / "nowhere")))
    with pytest.raises(AssetError):
        engines.get_engine("broken")
    assert not engines.loaded_names()
    with pytest.raises(UnknownModelError):
        engines.get_engine("nobody")
    assert engines.get_engine("one").spec.name == "one"


def test_a_stop_while_an_sae_is_packed_is_heard(registered, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    with pytest.raises(Cancelled):
        engines.get_engine("one", cancelled=lambda: True)
    assert not engines.loaded_names()


def test_the_end_of_the_process_waits_for_the_forward_under_way():
    """As when Ctrl+C ends the server while a page is written."""
    script = (
        "import threading, time\n"
        "from cache import engines\n"
        "from core.forward.device_lock import DEVICE_LOCK\n"
        "begun = threading.Event()\n"
        "def forward():\n"
        "    with DEVICE_LOCK:\n"
        "        begun.set(); time.sleep(0.5); print('whole', flush=True)\n"
        "threading.Thread(target=forward, daemon=True).start()\n"
        "begun.wait()\n"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stdout) == (0, "whole\n"), found.stderr
