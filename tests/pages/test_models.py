"""The Models page through the loopback hub: what each model takes, loading it, and every trouble in a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from cache import engines
from core import load
from core.models import registry
from core.models.footprint import footprint
from core.models.registry import find_spec, from_catalogue
from core.saes.published import published
from core.text.sizes import size_text
from pages.models import picker
from tests.conftest import PAGE_MODEL, opened
from tests.loopback_hub.environment import go_offline
from tests.loopback_hub.suites import serve
from tests.pages.models_page import PAGE, said, used

NAME = "gemma-2-2b-it"


@pytest.fixture
def page(on_page_model, hub, monkeypatch):
    """page() opens the page; the tiny model is in use, and the hub has nothing yet."""
    # Tiny vocabularies end before Gemma's “I”.
    monkeypatch.setattr(
        picker, "from_catalogue", lambda name, layers=None: replace(from_catalogue(name, layers), refusal_tokens=(40,))
    )
    yield lambda: opened(PAGE)
    engines.unload_all()


def chosen(app: AppTest, name: str = NAME, layers: tuple[int, ...] = (2, 3, 4)) -> AppTest:
    app.selectbox(key=picker.MODEL).set_value(name).run()
    return app.multiselect(key=f"{picker.LAYERS}_{name}").set_value(list(layers)).run()


def test_it_opens_on_the_model_in_use_and_says_what_it_takes(page):
    app = page()
    assert not app.exception and not app.error
    assert "In use: **tiny\\-page**" in said(app) and "It fits" in said(app).replace("\\", "")
    assert [metric.value for metric in app.metric][1] == "nothing"
    everything = app.selectbox(key=picker.MODEL).options
    assert any("google/gemma-2-2b-it" in option for option in everything) and "demo" in everything


def test_what_a_model_takes_is_the_hubs_sizes(page, hub, tmp_path):
    spec = serve(hub, tmp_path / "served", NAME)
    app = chosen(page())
    found = footprint(spec)
    weights = (tmp_path / "served" / "model" / "model.safetensors").stat().st_size
    assert found.parameters == weights // 2 and found.saes == 3 and found.saes_packed == 0
    sources = [tmp_path / "served" / published(ref).repo / published(ref).folder for ref in spec.saes.values()]
    assert found.packing == sum((folder / "params.npz").stat().st_size for folder in sources)
    assert found.download > found.packing and not found.gated and found.fits
    assert app.metric[1].value == picker.size_text(found.download) and not app.error
    assert app.button(key="models_load").label == "Use this model"


def test_using_a_model_downloads_packs_loads_and_every_page_has_it(page, hub, tmp_path):
    serve(hub, tmp_path / "served", NAME)
    app = chosen(page())
    used(app)
    assert not app.exception and not app.error, said(app)
    assert registry.chosen_name() == NAME and engines.is_loaded(NAME)
    assert engines.get_engine(NAME).spec.layers == (2, 3, 4)
    assert "gemma" in said(app) and app.button(key="models_load").label == "In use"
    again = footprint(find_spec(NAME))
    assert (again.download, again.packing, again.saes_packed) == (0, 0, 3)


def test_other_layers_of_the_model_in_use_are_another_load(page, hub, tmp_path):
    serve(hub, tmp_path / "served", NAME)
    app = chosen(page())
    used(app)
    app = chosen(app, layers=(3,))
    assert app.button(key="models_load").label == "Use this model"
    used(app)
    assert not app.error and engines.get_engine(NAME).spec.layers == (3,)


def test_a_gated_model_says_how_to_get_in_and_cannot_be_started(page, hub, tmp_path):
    spec = serve(hub, tmp_path / "served", NAME)
    hub.add(spec.model_id, tmp_path / "served" / "model", gated="manual")
    app = chosen(page())
    assert "Accept the licence" in said(app) and app.button(key="models_load").disabled


def test_without_a_network_it_says_so_and_can_look_again(page, hub, tmp_path, monkeypatch):
    serve(hub, tmp_path / "served", NAME)
    with monkeypatch.context() as patch:
        go_offline(patch)
        app = chosen(page())
        assert len(app.error) == 1 and app.button(key="models_load").disabled
    app.button(key="models_again").click().run()
    assert not app.error and not app.button(key="models_load").disabled


def test_a_corrupted_download_leaves_the_model_in_use_as_it_was(page, hub, tmp_path):
    spec = serve(hub, tmp_path / "served", NAME)
    hub.corrupts(spec.model_id, "model.safetensors")
    app = chosen(page())
    used(app)
    assert len(app.error) == 1 and not app.exception
    assert registry.chosen_name() == PAGE_MODEL


def test_what_does_not_fit_says_what_is_short(tiny_spec, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    found = footprint(tiny_spec)
    assert found.fits and (found.download, found.saes_packed) == (0, 0) and found.packing > 0
    load(tiny_spec, device="cpu")
    assert (footprint(tiny_spec).packing, footprint(tiny_spec).saes_packed) == (0, 3)
    assert "of memory, and" in replace(found, free=0).verdict and not replace(found, free=0).fits
    assert "HYDRASCOPE_DEVICE=auto" in replace(found, free=0).verdict
    wide = replace(found, free=0, spread=True)
    assert wide.fits and "so it will be spread over several" in wide.verdict
    short = replace(found, download=10**15)
    assert not short.fits and "of disk" in short.verdict


def test_columns_that_are_asked_for_are_needed_and_others_take_what_is_left(tiny_spec, monkeypatch):
    monkeypatch.setattr("core.devices.free_memory", lambda device: 4 * 10**9)
    monkeypatch.delenv("HYDRASCOPE_MEMORY", raising=False)
    free = footprint(tiny_spec)
    assert (
        0 < free.columns < 0.2 * (free.free - free.memory)
        and f"up to {size_text(free.columns)} of SAEs" in free.verdict
    )
    monkeypatch.setenv("HYDRASCOPE_MEMORY", "6GB")
    asked = footprint(tiny_spec)
    assert asked.columns == 6 * 10**9 and asked.memory == free.memory + asked.columns and not asked.fits
    monkeypatch.setenv("HYDRASCOPE_MEMORY", "0")
    assert footprint(tiny_spec).memory == free.memory and footprint(tiny_spec).columns == 0


def test_a_model_that_will_be_spread_is_said_to_be(tiny_spec, monkeypatch):
    monkeypatch.setattr("core.devices.free_memory", lambda device: 10**6)
    assert not footprint(tiny_spec).fits and not footprint(tiny_spec).spread
    wide = footprint(tiny_spec, "auto")
    assert wide.fits and wide.spread and "main memory and disk" in wide.placement


def test_parameters_of_a_local_model_are_counted(tiny, tiny_spec):
    assert footprint(tiny_spec).parameters >= sum(p.numel() for p in tiny.model.parameters())
