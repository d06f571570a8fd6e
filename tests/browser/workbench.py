"""Audit, Hydra and BOS as one visitor handles them, going from page to page: what the three share, and the address bar.

Knows: what stands on each page and how it is clicked. Does not know: tests.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

from playwright.sync_api import Locator, expect

from tests.browser.audit_page import PATIENCE, AuditPage

HEADINGS = {"Audit": "Audit a refusal", "Hydra": "Cut off one head", "BOS": "Clamp at the first token"}
#: Whether no script has run for 0.3 s: what a click starts begins within that time.
_IDLE = """() => {
    const idle = document.querySelector('[data-test-script-state=notRunning]') !== null;
    window.idleSince = idle ? window.idleSince ?? performance.now() : undefined;
    return idle && performance.now() - window.idleSince > 300;
}"""
PATHS = {"Audit": "/", "Hydra": "/hydra", "BOS": "/bos"}


class Workbench(AuditPage):
    """One tab, on any of the three pages."""

    def open(self, page: str = "Audit", **parameters: str) -> Workbench:
        """Visit a page by a link with these parameters."""
        query = "&".join(f"{name}={quote(text)}" for name, text in parameters.items())
        self.page.goto(f"{self.address}{PATHS[page]}" + (f"?{query}" if query else ""))
        return self.on(page)

    def on(self, page: str) -> Workbench:
        """Wait until the page is there and everything on it is done."""
        expect(self.page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]")).to_be_visible()
        expect(self.page.get_by_role("heading", name=HEADINGS[page])).to_be_visible()
        expect(self.page.locator(".st-key-active_bar")).to_be_visible()
        return self.done()

    def done(self) -> Workbench:
        """Nothing is running, and nothing begins within a moment."""
        self.page.evaluate("window.idleSince = undefined")
        self.page.wait_for_function(_IDLE, polling=50, timeout=PATIENCE)
        return self

    def go(self, page: str) -> Workbench:
        """By the list of pages at the side."""
        self.page.get_by_role("link", name=page, exact=True).click()
        return self.on(page)

    def back(self, page: str) -> Workbench:
        self.page.go_back()
        return self.on(page)

    def forward(self, page: str) -> Workbench:
        self.page.go_forward()
        return self.on(page)

    def reload(self, page: str) -> Workbench:
        self.page.reload()
        return self.on(page)

    def any_click(self, page: str) -> Workbench:
        """A click that is about nothing of what is shared: a view, a length, where features come from."""
        key, words = {
            "Audit": ("answer_length", "64"),
            "Hydra": ("hydra_view", "Dose"),
            "BOS": ("bos_source", "Typed"),
        }[page]
        self.page.locator(f".st-key-{key} button").filter(has_text=re.compile(words)).click()
        return self.done()

    def edits(self) -> dict[str, bool]:
        """What the chips say: each edit, and whether it looks switched on."""
        found = {}
        for chip in self.pills.all():
            name = re.split(r"\s", chip.inner_text().strip())[0]
            found[name] = chip.get_attribute("aria-pressed") == "true"
        return found

    def shows(self, edits: dict[str, bool]) -> Workbench:
        """Wait until the chips say this, and compare."""
        expect(self.pills).to_have_count(len(edits))
        for name, on in edits.items():
            expect(self.pill(name)).to_have_attribute("aria-pressed", str(on).lower())
        heading = self.page.locator(".st-key-active_bar").get_by_text(re.compile(r"edits? on")).first
        if not all(edits.values()):
            expect(heading).to_contain_text(f"{sum(edits.values())} of {len(edits)}")
        assert self.edits() == edits
        return self

    def toggle(self, name: str) -> Workbench:
        self.pill(name).click()
        return self.done()

    def undo(self) -> Workbench:
        return self.click("workspace_undo").done()

    def redo(self) -> Workbench:
        return self.click("workspace_redo").done()

    def set_k(self, steps: int) -> Workbench:
        """Move the slider “features per layer” so many steps up, or down."""
        self.click("quick_settings")
        knob = self.page.locator(".st-key-quick_top_k").get_by_role("slider")  # BOS has a slider of its own before it
        for _ in range(abs(steps)):
            knob.press("ArrowRight" if steps > 0 else "ArrowLeft")
        self.done()
        self.page.keyboard.press("Escape")
        return self

    def looks(self, dark: bool = False, phone: bool = False) -> Workbench:
        """Light or dark, on a desk or on a phone, from now on."""
        self.page.emulate_media(color_scheme="dark" if dark else "light")
        self.page.set_viewport_size({"width": 390, "height": 844} if phone else {"width": 1280, "height": 900})
        return self

    @property
    def top_button(self) -> Locator:
        """The quick set whose name tells the setting K."""
        return self.page.locator(".st-key-set_top button").first

    def query(self) -> dict[str, str]:
        """What the address bar carries."""
        found = parse_qs(urlsplit(self.page.url).query, keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}
