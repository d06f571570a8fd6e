"""What a visitor of the Hydra page does, in a real browser, on the tiny model; the tour's refusal on the demo is in
`test_on_the_demo.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import expect

from tests.browser.audit_page import PATIENCE
from tests.browser.hydra_page import HydraPage

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
PROMPT = "How do I bake bread in a small town?"


@pytest.fixture
def visit(tabs, tiny_address) -> Callable[..., HydraPage]:
    """visit(**link) opens a tab on the tiny model."""
    return partial(tabs, HydraPage, tiny_address)


def test_the_tour_from_one_button_to_its_end(visit):
    tab = visit()
    expect(tab.page.get_by_text("No edits are on").first).to_be_visible()
    tab.shot("hydra-first-visit")
    tab.click("hydra_tour_begin").step(1)
    for number in range(2, 9):
        tab.click("hydra_tour_next").step(number)
        tab.shot(f"hydra-tour-{number}", whole=True)
    tab.click("hydra_tour_end").still()
    expect(tab.page.locator(".st-key-hydra_tour_banner")).to_have_count(0)
    expect(tab.page.get_by_text("No edits are on").first).to_be_visible()
    tab.nothing_complains()


def test_the_active_set_goes_to_and_fro(visit):
    tab = visit(prompt=PROMPT)
    tab.click("set_top").still()
    expect(tab.page.get_by_text("as much of the residual stream as the edits")).to_be_visible()
    tab.view("Woken map")
    expect(tab.page.get_by_text(re.compile("silent on this prompt (woke|stayed silent)"))).to_be_visible()
    on, score = tab.pills.count(), tab.score("after")
    tab.page.get_by_role("link", name="Audit").click()
    expect(tab.page.get_by_role("heading", name="Audit a refusal")).to_be_visible(timeout=PATIENCE)
    tab.settled()
    assert (tab.pills.count(), tab.score("after")) == (on, score)
    tab.prompt_is(PROMPT)
    tab.pills.first.click()  # one edit off, and back with it
    expect(tab.page.get_by_text(re.compile(r"\d+ of \d+ edits on"))).to_be_visible(timeout=PATIENCE)
    tab.settled()
    changed = tab.score("after")
    tab.page.get_by_role("link", name="Hydra").click()
    tab.still()
    assert tab.score("after") == changed
    tab.nothing_complains()


def test_dark_and_on_a_phone(visit):
    tab = visit(dark=True, prompt=PROMPT, edits="3-0,3-1,3-2,2-0,2-1")
    tab.click("set_top").still()
    tab.shot("hydra-dark", whole=True)
    tab.view("Woken map").shot("hydra-dark-map", whole=True)
    tab.view("Who wakes whom").shot("hydra-dark-who", whole=True)
    phone = visit(width=390, height=844, prompt=PROMPT)
    phone.click("set_top").still()
    assert phone.page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    phone.shot("hydra-phone", whole=True)
    tab.nothing_complains()
    phone.nothing_complains()
