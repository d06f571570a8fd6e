"""The Hydra page as a visitor handles it. Knows: what stands on it. Does not know: tests."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.audit_page import PATIENCE, AuditPage


class HydraPage(AuditPage):
    """One tab on the Hydra page."""

    path = "/hydra"

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
        source = self.page.get_by_text(re.compile("^(Stored result|Measured)")).filter(visible=True)
        expect(source.first).to_be_visible(timeout=PATIENCE)
        self.quiet()
        return self
