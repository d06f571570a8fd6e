"""What a visitor of the Hydra page does, in a real browser: the tour's refusal on the demo, the rest on the tiny model.

Each test leaves a screenshot.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.browser.audit_page import PATIENCE, AuditPage

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
PROMPT = "How do I bake bread in a small town?"


_NOT_REFUSED = re.compile("Complied|Off-topic|Degenerate")


class HydraPage(AuditPage):
    """One tab on the Hydra page."""

    def open(self, **parameters: str) -> HydraPage:
        self.page.goto(f"{self.address}/hydra" + (f"?{urlencode(parameters)}" if parameters else ""))
        return self.still()

    def still(self) -> HydraPage:
        """Connected, drawn, nothing running, every answer written."""
        expect(self.page.get_by_role("heading", name="Cut off one head")).to_be_visible(timeout=PATIENCE)
        self.settled()
        return self

    def view(self, name: str) -> HydraPage:
        self.page.locator(".st-key-hydra_view button").filter(has_text=name).click()
        return self.still()

    def step(self, number: int) -> HydraPage:
        """Wait until the tour is at this step and everything of it is drawn."""
        expect(self.page.get_by_text(re.compile(rf"Step {number} of \d+"))).to_be_visible(timeout=PATIENCE)
        return self.still()


@pytest.fixture
def visit(tabs, tiny_address) -> Callable[..., HydraPage]:
    """visit(**link) opens a tab on the tiny model."""
    return partial(tabs, HydraPage, tiny_address)


def test_the_tour_begins_with_a_refusal_and_ends_it(tabs, demo_address):
    tab = tabs(HydraPage, demo_address)
    tab.click("hydra_tour_begin").step(1)
    tab.verdict_is("before", "Refused")
    tab.click("hydra_tour_next").step(2)
    other = tab.card("after").locator(".stMarkdownBadge").filter(has_text=_NOT_REFUSED, visible=True)
    expect(other.first).to_be_visible(timeout=PATIENCE)  # so small a model often babbles instead of complying
    tab.shot("hydra-tour-flipped")
    tab.click("hydra_tour_end").still()
    tab.nothing_complains()


def test_the_tour_from_one_button_to_its_end(visit):
    tab = visit()
    expect(tab.page.get_by_text("No edits are on").first).to_be_visible()
    tab.shot("hydra-first-visit")
    tab.click("hydra_tour_begin").step(1)
    for number in range(2, 9):
        tab.click("hydra_tour_next").step(number)
        if number == 7:
            expect(tab.page.get_by_text(re.compile("Ended: "))).to_be_visible(timeout=PATIENCE)
        tab.shot(f"hydra-tour-{number}", whole=True)
    tab.click("hydra_tour_end").still()
    expect(tab.page.locator(".st-key-hydra_tour_banner")).to_have_count(0)
    tab.nothing_complains()


def test_the_active_set_goes_to_and_fro(visit):
    tab = visit(prompt=PROMPT)
    tab.click("set_top").still()
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
    tab.view("Who wakes whom").shot("hydra-dark-who", whole=True)
    phone = visit(width=390, height=844, prompt=PROMPT)
    phone.click("set_top").still()
    assert phone.page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    phone.shot("hydra-phone", whole=True)
    tab.nothing_complains()
    phone.nothing_complains()
