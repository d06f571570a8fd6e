"""Choosing a model in a real browser: success and each failure, against a loopback hub.

The hub serves a tiny random model and tiny SAEs in Gemma 2's true layouts, under the names the catalogue gives them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import expect

from core import ModelSpec
from core.hub.listing import partial_file
from core.models.registry import find_spec
from core.saes.published import published
from tests.browser.audit_page import PATIENCE
from tests.browser.models_page import ModelsPage
from tests.browser.server import tiny_server
from tests.loopback_hub.environment import variables
from tests.loopback_hub.models import tiny_causal_lm
from tests.loopback_hub.saes import tiny_sae
from tests.loopback_hub.server import LoopbackHub

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
NAME, MODEL = "gemma-2-2b-it", "google/gemma-2-2b-it"


class Served(NamedTuple):
    hub: LoopbackHub
    address: str


@pytest.fixture(scope="module")
def gemma(tmp_path_factory) -> Path:
    """A folder with the model, and with the repository of its SAEs."""
    folder = tmp_path_factory.mktemp("gemma")
    tiny_causal_lm(folder / "model", "gemma2", layers=26, vocabulary=256_000)
    for layer, ref in find_spec(NAME).saes.items():
        known = published(ref)
        tiny_sae(folder / known.repo / known.folder, known.kind, layer)
    return folder


@pytest.fixture
def hub(gemma) -> Iterator[LoopbackHub]:
    """A hub with Gemma 2, gated, and its SAEs; it knows a token that has no access yet."""
    (repo,) = {published(ref).repo for ref in find_spec(NAME).saes.values()}
    with LoopbackHub() as hub:
        hub.add(MODEL, gemma / "model", gated="manual")
        hub.add(repo, gemma / repo)
        hub.allow("hf_reader")
        yield hub


def page_at(hub: LoopbackHub, spec: ModelSpec, folder: Path, home: Path, **more: str) -> AbstractContextManager[str]:
    """A page pointed at the hub. Its records are its own: tiny SAEs under real names must never get into anybody's."""
    environment = {"HF_TOKEN": "", **variables(hub, home), "HF_HUB_OFFLINE": "0", **more}
    return tiny_server(folder, spec, **environment)


@pytest.fixture
def served(hub, page_spec, tmp_path) -> Iterator[Served]:
    """The page with that token."""
    with page_at(hub, page_spec, tmp_path / "page", tmp_path / "hf", HF_TOKEN="hf_reader") as address:
        yield Served(hub, address)


def test_a_model_from_the_list_through_every_failure_to_the_audit_page(served, tabs):
    hub = served.hub
    tab = tabs(ModelsPage, served.address)
    tab.says("It fits").shot("models-demo")
    tab.pick(NAME).says("no access token").still().shot("models-gated")
    expect(tab.page.locator(".st-key-models_load button:visible")).to_be_disabled()

    hub.allow("hf_reader", MODEL)
    tab.click("models_again").says("It fits")
    expect(tab.page.locator(".st-key-models_load button:visible")).to_be_enabled(timeout=PATIENCE)
    tab.still().shot("models-needs")

    hub.corrupts(MODEL, "model.safetensors", 1)
    tab.click("models_load").says("damaged|corrupt|not what").shot("models-corrupted")
    hub.faults.clear()
    hub.slows(MODEL, "model.safetensors", 500_000)
    tab.still().click("models_load").says("Downloading model")
    tab.shot("models-downloading")
    tab.click("models_stop").says("continues from there|stopped").shot("models-stopped")
    hub.faults.clear()

    tab.still().click("models_load")
    tab.says("In use: *gemma-2-2b-it")
    expect(tab.page.locator(".st-key-models_load button:visible").filter(has_text="In use")).to_be_visible(
        timeout=PATIENCE
    )
    tab.still().shot("models-loaded", whole=True)
    tab.nothing_complains()

    tab.page.get_by_role("link", name="Audit").click()
    expect(tab.page.get_by_role("heading", name="Audit a refusal")).to_be_visible(timeout=PATIENCE)
    tab.settled()
    expect(tab.page.get_by_text(re.compile(f"Model {NAME}"))).to_be_visible(timeout=PATIENCE)
    tab.shot("models-audit", whole=True)
    tab.nothing_complains()


def test_a_wrong_token_a_full_disk_and_a_program_that_ended_half_way(hub, page_spec, tabs, tmp_path):
    home = tmp_path / "hf"
    home.mkdir()
    (home / "token").write_text("hf_mistyped")  # as `hf auth login` keeps it
    load = ".st-key-models_load button:visible"
    with page_at(hub, page_spec, tmp_path / "first", home) as address:
        tab = tabs(ModelsPage, address)
        tab.pick(NAME).says("does not accept your token").shot("models-wrong-token")
        expect(tab.page.locator(load)).to_be_disabled()
        (home / "token").write_text("hf_reader")
        hub.allow("hf_reader", MODEL)
        tab.click("models_again").says("It fits")
        expect(tab.page.locator(load)).to_be_enabled(timeout=PATIENCE)

        repository = hub.repositories["model", MODEL]
        weights = repository.commits[repository.refs["main"]]["model.safetensors"]
        blob = home / "hub" / f"models--{MODEL.replace('/', '--')}" / "blobs" / weights.etag
        blob.parent.mkdir(parents=True, exist_ok=True)
        partial_file(blob).symlink_to("/dev/full")  # every write fails as on a full disk, by the kernel
        tab.still().click("models_load").says("The disk is full at").shot("models-full-disk")
        partial_file(blob).unlink()

        hub.slows(MODEL, "model.safetensors", 1_000_000)
        tab.still().click("models_load").says("Downloading model")
        expect(tab.page.get_by_text(re.compile(r"Downloading model\.safetensors"))).to_be_visible(timeout=PATIENCE)
        while not partial_file(blob).exists() or partial_file(blob).stat().st_size < 2_000_000:
            tab.page.wait_for_timeout(100)
        tab.nothing_complains()
    arrived = partial_file(blob).stat().st_size
    assert 0 < arrived < weights.bytes

    hub.faults.clear()
    with page_at(hub, page_spec, tmp_path / "second", home) as address:
        tab = tabs(ModelsPage, address)
        tab.pick(NAME).says("It fits").still().shot("models-half-finished")
        tab.click("models_load").says("In use: *gemma-2-2b-it")
        tab.still().nothing_complains()
    assert hub.deliveries(MODEL, "model.safetensors")[-1].first_byte == arrived, "it goes on where it ended"


def test_without_a_hub_in_the_dark_on_a_phone(served, tabs):
    served.hub.__exit__(None, None, None)
    tab = tabs(ModelsPage, served.address, width=390, height=844, dark=True)
    tab.pick(NAME).says("network|reach")
    expect(tab.page.locator(".st-key-models_load button:visible")).to_be_disabled()
    wide = tab.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, "the page itself never scrolls sideways"
    tab.shot("models-phone-dark-offline", whole=True)
    tab.nothing_complains()


def test_a_model_that_is_added_is_checked_loaded_and_audited(hub, page_spec, tabs, tmp_path):
    tiny_causal_lm(tmp_path / "mine", "llama3.1")
    hub.add("me/tiny-llama", tmp_path / "mine")
    saes = tmp_path / "saes"
    for layer in (2, 3):
        tiny_sae(saes / f"layer_{layer}", "sae_lens", layer)
    with page_at(hub, page_spec, tmp_path / "page", tmp_path / "hf") as address:
        tab = tabs(ModelsPage, address)
        tab.page.get_by_text("Add a model").click()
        for field, text in {"name": "mine", "model": "me/tiny-lama", "saes": str(saes)}.items():
            tab.page.locator(f".st-key-add_{field} input").fill(text)
        check = tab.page.locator(".st-key-add_start_check button")
        check.click()
        tab.says("There is no model me/tiny-lama").shot("models-own-wrong", whole=True)
        tab.page.locator(".st-key-add_model input").fill("me/tiny-llama")
        check.click()
        tab.says("6 layers of 32").still().shot("models-own-checked", whole=True)
        tab.click("add_to_list").says("“mine” is now on your list").says("It fits")
        tab.still().shot("models-own-added", whole=True)
        tab.click("models_load").says("In use: *mine")
        tab.still().nothing_complains()
        tab.page.get_by_role("link", name="Audit").click()
        tab.settled()
        expect(tab.page.get_by_text(re.compile("Model mine"))).to_be_visible(timeout=PATIENCE)
        tab.nothing_complains()
