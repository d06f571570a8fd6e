"""The Models page as a visitor handles it. Knows: what stands on it. Does not know: tests."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.audit_page import PATIENCE, AuditPage


class ModelsPage(AuditPage):
    """One tab on the Models page."""

    path = "/models"

    def still(self) -> ModelsPage:
        expect(self.page.get_by_role("heading", name="Models")).to_be_visible(timeout=PATIENCE)
        expect(self.page.get_by_text("In use:")).to_be_visible(timeout=PATIENCE)
        expect(self.page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=PATIENCE)
        return self

    def pick(self, name: str) -> ModelsPage:
        self.page.locator(".st-key-models_model input").click()
        self.page.get_by_role("option", name=re.compile(f"^{re.escape(name)}")).click()
        return self.still()

    def says(self, text: str) -> ModelsPage:  # type: ignore[override]
        expect(self.page.get_by_text(re.compile(text)).first).to_be_visible(timeout=PATIENCE)
        return self
