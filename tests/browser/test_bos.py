"""What a visitor of the BOS page does, in a real browser on the tiny model."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.audit_page import PATIENCE, AuditPage

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


class BosPage(AuditPage):
    """One tab on the BOS page."""

    path = "/bos"

    def still(self) -> BosPage:
        """Connected, drawn, nothing running."""
        expect(self.page.get_by_role("heading", name="Clamp at the first token")).to_be_visible(timeout=PATIENCE)
        expect(self.page.get_by_text("As a defence")).to_be_visible(timeout=PATIENCE)
        expect(self.page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=PATIENCE)
        return self

    def verdicts(self, kind: str) -> Locator:
        return self.page.locator(f".hs-grid small.{kind}")

    def written(self) -> BosPage:
        """Every answer of the grid is there, with its verdict."""
        expect(self.page.locator(".hs-grid")).to_be_visible(timeout=PATIENCE)
        expect(self.page.locator(".hs-grid small").filter(has_text="answering")).to_have_count(0, timeout=PATIENCE)
        return self.still()

    def fill(self, key: str, text: str) -> BosPage:
        box = self.page.locator(f".st-key-{key} input")
        box.fill(text)
        box.press("Enter")
        return self

    def slide(self, key: str, steps: int) -> BosPage:
        """A slider to so many steps from its lower end."""
        knob = self.page.locator(f"[class*=st-key-{key}]").get_by_role("slider")
        knob.press("Home")
        for _ in range(steps):
            knob.press("ArrowRight")
        return self.still()


@pytest.fixture
def visit(tabs, tiny_address) -> Callable[..., BosPage]:
    """visit(**link) opens a tab on the tiny model."""
    return partial(tabs, BosPage, tiny_address)


def test_from_what_wakes_to_answers_and_a_small_evaluation(visit):
    tab = visit(prompt="How do I bake bread?", edits="direction")
    tab.shot("bos-first-visit")
    tab.written()
    expect(tab.page.locator(".hs-grid td")).to_have_count(6 * 4)
    expect(tab.page.get_by_text("Clamped at")).to_be_visible()
    tab.shot("bos-answers", whole=True)
    tab.fill("bos_value", "400").written()
    expect(tab.page.locator(".hs-grid thead th")).to_have_count(5)
    expect(tab.page.locator(".hs-grid thead th").last).to_have_text("400")
    said = tab.page.locator(".hs-grid td .hs-answer").all_inner_texts()
    assert said[0::5] != said[4::5], "held far up, some answer is another"
    tab.shot("bos-answers-40", whole=True)
    tab.fill("bos_grid", "4").still()
    for kind, steps in (("harmful", 2), ("benign", 3), ("lookalike", 3)):  # the first begins at one, the others at none
        tab.slide(f"bos_many_{kind}", steps)
    expect(tab.page.get_by_text("18 answers")).to_be_visible(timeout=PATIENCE)
    tab.click("bos_run_defence")
    expect(tab.page.get_by_text("Result.")).to_be_visible(timeout=PATIENCE)
    expect(tab.page.locator(".st-key-bos_results [data-testid=stVegaLiteChart]")).to_have_count(2, timeout=PATIENCE)
    expect(tab.page.get_by_text(re.compile("prompts under attack"))).to_be_visible(timeout=PATIENCE)
    tab.still().shot("bos-defence", whole=True)
    tab.nothing_complains()
    dark = visit(width=390, height=844, dark=True, prompt="How do I bake bread?", edits="direction")
    dark.written()
    dark.shot("bos-phone-dark", whole=True)
    wide = dark.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, "the page itself never scrolls sideways"
    dark.nothing_complains()
