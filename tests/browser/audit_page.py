"""The audit page as a visitor handles it: a thin layer over Playwright's page.

Knows: keys and test ids on the page. Every wait is for the outcome itself, because a script that is not running may
simply not have started yet.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

from core.settings import TEST_PATIENCE, TEST_PICTURES

OUT = Path(__file__).resolve().parent / "out"
#: Milliseconds, long enough for a slow machine; a pass never waits for it. A test under repair may set less (seconds).
PATIENCE = 1000 * TEST_PATIENCE.read()
expect.set_options(timeout=PATIENCE)
#: Opened at a page's own address, Streamlit first looks for its server below that address, and says so when it is not.
_PROBE = re.compile(r"/(discover|hydra|bos|models|judges|study)/_stcore/(health|host-config)$")
#: Whether every chart in sight is drawn.
_DRAWN = """() => [...document.querySelectorAll('[data-testid=stVegaLiteChart]')]
    .filter(chart => chart.offsetParent !== null)
    .every(chart => chart.querySelector('canvas, svg.marks') !== null)"""


def badge(words: str) -> re.Pattern:
    """What a badge says: its icon's name comes first in its text, so the end is what is compared."""
    return re.compile(rf"{words}\s*$")


class AuditPage:
    """One tab. path: the page's, below the server's address."""

    path = "/"

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.set_default_timeout(PATIENCE)

    def _console(self, message: Any) -> None:
        if message.type == "error" and not _PROBE.search((message.location or {}).get("url", "")):
            self.complaints.append(f"console: {message.text}")

    def open(self, **parameters: str) -> Self:
        """Visit the page, with a link's parameters."""
        self.page.goto(self.address + self.path + (f"?{urlencode(parameters)}" if parameters else ""))
        return self.still()

    def still(self) -> Self:
        """The whole page is there, and nothing on it moves."""
        return self.settled()

    def settled(self) -> AuditPage:
        """Connected, nothing running, and every answer written."""
        expect(self.page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]")).to_be_visible(
            timeout=PATIENCE
        )
        expect(self.page.locator(".st-key-card_after .hs-answer")).to_be_visible(timeout=PATIENCE)
        expect(self.page.get_by_text(badge("Answering"))).to_have_count(0, timeout=PATIENCE)
        self.quiet()
        return self

    def quiet(self) -> None:
        """Wait until nothing runs."""
        expect(self.page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=PATIENCE)

    def type_prompt(self, text: str, wait: bool = True) -> AuditPage:
        """Type and press Enter; wait until the page is about that prompt."""
        box = self.box
        box.fill(text)
        box.press("Enter")
        return self.prompt_is(text) if wait else self

    def prompt_is(self, text: str) -> AuditPage:
        """Wait until `text` is the prompt being audited: it stands in the address then, not in the box alone."""
        self.page.wait_for_function(
            "text => new URLSearchParams(location.search).get('prompt') === text", arg=text, timeout=PATIENCE
        )
        return self

    def click(self, key: str) -> AuditPage:
        """The button with this key."""
        self.page.locator(f".st-key-{key} button:visible").first.click()
        return self

    def click_text(self, name: str) -> AuditPage:
        """The button of this name."""
        self.page.get_by_role("button", name=name, exact=True).click()
        return self

    def length(self, tokens: int) -> AuditPage:
        """Ask for longer answers."""
        self.page.locator(".st-key-answer_length button").filter(has_text=str(tokens)).click()
        return self

    def pill(self, name: str) -> Locator:
        """The pill of one edit."""
        return self.page.locator(".st-key-edit_chips button").filter(has_text=re.compile(rf"^{re.escape(name)}\b"))

    @property
    def box(self) -> Locator:
        return self.page.locator(".st-key-prompt_box textarea")

    @property
    def pills(self) -> Locator:
        return self.page.locator(".st-key-edit_chips button")

    def card(self, side: str) -> Locator:
        """“before” or “after”."""
        return self.page.locator(f".st-key-card_{side}")

    def verdict_is(self, side: str, verdict: str) -> AuditPage:
        expect(self.says(side, verdict)).to_be_visible(timeout=PATIENCE)
        return self

    def says(self, side: str, verdict: str) -> Locator:
        """The badge of one side, if it says this. With a tooltip it stands in the page twice, once hidden."""
        return self.card(side).locator(".stMarkdownBadge").filter(has_text=badge(verdict), visible=True).first

    def score(self, side: str) -> float:
        """The refusal score shown."""
        text = self.card(side).locator("[data-testid=stMetricValue]").first.inner_text()
        return float(text.replace("\N{MINUS SIGN}", "-"))

    def answer(self, side: str) -> str:
        return self.card(side).locator(".hs-answer").inner_text()

    def shot(self, name: str, whole: bool = False) -> None:
        """A screenshot for people to look at, where they ask for them; whole: everything below the fold too."""
        if not TEST_PICTURES.read():
            return
        OUT.mkdir(exist_ok=True)
        size = self.page.viewport_size
        assert size is not None
        if whole:
            height = self.page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
            self.page.set_viewport_size({"width": size["width"], "height": int(height) + 20})
            self.page.wait_for_function(_DRAWN)  # charts are drawn when they come into view
        self.page.screenshot(path=OUT / f"{name}.png")
        if whole:
            self.page.set_viewport_size(size)

    def nothing_complains(self) -> None:
        """No error in the console, no traceback and no “something went wrong” on the page."""
        assert not self.complaints, self.complaints
        text = self.page.locator("[data-testid=stApp]").inner_text()
        assert "Traceback" not in text and "went wrong" not in text
        expect(self.page.locator("[data-testid=stException]")).to_have_count(0)
