"""SAEs trained on the Models page in a real browser, used with one click, and their card beside the features."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.browser.audit_page import PATIENCE
from tests.browser.models_page import ModelsPage
from tests.browser.server import tiny_server
from tests.conftest import PAGE_MODEL

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def address(page_spec, tmp_path):
    """The page on the tiny model, with a few prompts to train on."""
    prompts = tmp_path / "prompts.csv"
    more = "".join(f"benign,0,train,x,Tell me about bread number {n}.\n" for n in range(8))
    prompts.write_text(page_spec.prompts.read_text() + more)
    with tiny_server(tmp_path / "server", replace(page_spec, prompts=prompts)) as found:
        yield found


def test_trained_from_the_page_used_with_one_click_and_shown_with_its_card(address, tabs):
    tab = tabs(ModelsPage, address)
    tab.page.get_by_text("Train SAEs").click()
    for field, text in {"layers": "1", "tokens": "1000", "active": "6", "answer": "4"}.items():
        box = tab.page.locator(f".st-key-train_{field} input")
        box.fill(text)
        box.press("Enter")
        tab.still()
    tab.shot("models-train-form", whole=True)
    tab.click("train_estimate").says("Time: about").still().shot("models-train-estimate", whole=True)
    tab.click("train_start").says("Trained here").still().shot("models-train-done", whole=True)
    tab.click("train_use").says(f"In use: *{PAGE_MODEL}/trained")
    tab.still().nothing_complains()
    tab.page.get_by_role("link", name="Audit").click()
    tab.settled()
    expect(tab.page.get_by_text(re.compile("The SAEs: Explained variance")).first).to_be_visible(timeout=PATIENCE)
    tab.shot("models-train-audit", whole=True)
    tab.nothing_complains()
