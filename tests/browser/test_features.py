"""What a visitor of the Features page does, in a real browser on the tiny model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import expect

from tests.browser.audit_page import PATIENCE
from tests.browser.workbench import HEADINGS, Workbench

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


class FeaturesPage(Workbench):
    """One tab on the Features page."""

    def open(self, page: str = "Features", **parameters: str) -> FeaturesPage:
        self.page.goto(f"{self.address}/features?prompt=How%20do%20I%20bake%20bread%3F&edits=1-3")
        expect(self.page.get_by_role("heading", name="What features are about")).to_be_visible(timeout=PATIENCE)
        expect(self.page.locator(".st-key-features_bar")).to_be_visible(timeout=PATIENCE)
        self.done()
        return self

    def view(self, name: str) -> FeaturesPage:
        self.page.locator(".st-key-features_view").get_by_text(name, exact=True).click()
        self.done()
        return self


@pytest.fixture
def visit(tabs, tiny_address) -> Callable[..., FeaturesPage]:
    """visit() opens a tab on the tiny model, with 1-3 in the active set."""
    return partial(tabs, FeaturesPage, tiny_address)


@pytest.mark.parametrize("page", ["Audit", "Hydra", "BOS"])
def test_a_card_opens_a_page_with_its_feature_in_the_active_set(visit, page):
    tab = visit()
    tab.page.locator(".st-key-features_source").get_by_text("Search", exact=True).click()
    tab.done()
    tab.page.locator(".st-key-features_words input").fill("2-7")
    tab.done()
    tab.view("Cards")
    tab.page.locator(f".st-key-features_open_{page}_list_2-7 button").filter(visible=True).first.click()
    expect(tab.page.get_by_role("heading", name=HEADINGS[page])).to_be_visible(timeout=PATIENCE)
    expect(tab.page.get_by_text("2 edits on")).to_be_visible(timeout=PATIENCE)
    assert "2-7" in tab.page.url and "1-3" in tab.page.url


def test_on_a_phone_nothing_is_wider_than_the_screen(visit):
    tab = visit(width=390, height=844)
    for name in ("Table", "Cards", "Map", "Groups"):
        tab.view(name)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390, name
