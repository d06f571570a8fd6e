"""A study in a real browser: by keyboard through five items, a reload and a restart in the middle, a second annotator,
then the results; a phone in the dark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from core.study.taxonomy import FIVE
from tests.browser.audit_page import PATIENCE, AuditPage
from tests.browser.server import tiny_server
from tests.browser.small_study import make_study

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


class StudyPage(AuditPage):
    """One tab on the Study page."""

    path = "/study"

    def still(self) -> StudyPage:
        expect(self.page.locator(".st-key-study_heading, h1").first).to_be_visible(timeout=PATIENCE)
        expect(self.page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=PATIENCE)
        return self

    def sees(self, text: str) -> StudyPage:
        expect(self.page.get_by_text(re.compile(text)).first).to_be_visible(timeout=PATIENCE)
        return self

    def begin(self, name: str) -> StudyPage:
        self.page.get_by_label("Your name or a pseudonym").fill(name)
        self.page.keyboard.press("Enter")
        return self

    def keys(self, *keys: str) -> StudyPage:
        """As fast as they can be typed."""
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def on(self, *labels: str) -> StudyPage:
        """Wait until these are chosen and no others."""
        chosen = self.page.locator(".st-key-study_labels button[kind=primary]")
        expect(chosen).to_have_count(len(labels), timeout=PATIENCE)
        for label in labels:
            expect(chosen.filter(has_text=label)).to_be_visible(timeout=PATIENCE)
        return self

    def item(self, number: int, done: int) -> StudyPage:
        self.sees(rf"Feature {number} of 5, {done} done" if number else "Training: 1 of 1")
        expect(self.page.locator(f".st-key-study_next_{number} button")).to_be_visible(timeout=PATIENCE)
        return self.still()

    def finish(self) -> StudyPage:
        expect(self.page.locator(".st-key-study_finish button")).to_be_visible(timeout=PATIENCE)
        return self.keys("Enter").sees("Make a study").still()


@pytest.fixture
def served(tmp_path, page_spec) -> Iterator[str]:
    with tiny_server(tmp_path / "page", page_spec, make_study) as address:
        yield address


def test_by_keyboard_with_a_reload_and_another_page_in_the_middle(served, tabs):
    tab = tabs(StudyPage, served)
    tab.sees("5 features of tiny").shot("study-list")
    tab.begin("Ada").item(0, 0).keys("1").on(FIVE[0]).shot("study-training")
    tab.keys("Enter").sees("Measured, this feature fires on prompts of none").shot("study-known")
    tab.keys("Enter").item(1, 0).keys("1", "Enter").item(2, 1)
    tab.keys("1", "2").on(*FIVE[:2])
    tab.page.reload()
    tab.still().item(2, 1).on(*FIVE[:2]).shot("study-reloaded")
    tab.keys("Enter").item(3, 2).keys("Enter").sees("Nothing is chosen")
    tab.keys("Backspace").item(2, 2).on(*FIVE[:2]).keys("Enter").item(3, 2)
    tab.page.get_by_role("link", name="Judges").click()
    expect(tab.page.get_by_role("heading", name="Judges", exact=True).first).to_be_visible(timeout=PATIENCE)
    tab.page.get_by_role("link", name="Study").click()
    tab.item(3, 2).keys("4").on(FIVE[3]).nothing_complains()
    tab.page.locator(".st-key-study_labels button").filter(has_text=FIVE[0]).click()
    tab.on(FIVE[0], FIVE[3])


def test_by_link_after_a_restart_a_second_annotator_and_results(page_spec, tabs, tmp_path):
    with tiny_server(tmp_path / "page", page_spec, make_study) as address:
        tab = tabs(StudyPage, address)
        tab.begin("Ada").item(0, 0).keys("0", "Enter").sees("You chose the same").keys("Enter").item(1, 0)
        tab.keys("1", "Enter").item(2, 1).keys("1", "2").on(*FIVE[:2])
        parameters = dict(parse_qsl(urlsplit(tab.page.url).query))
    with tiny_server(tmp_path / "page", page_spec) as address:
        tab = tabs(StudyPage, address, **parameters)
        tab.item(2, 1).on(*FIVE[:2]).keys("Enter").item(3, 2)
        tab.keys("4", "Enter").item(4, 3).keys("0", "Enter").item(5, 4).keys("3", "4", "5", "Enter")
        tab.sees("Thank you, Ada").shot("study-end")
        tab.finish()

        other = tabs(StudyPage, address, width=390, height=844, dark=True)
        other.begin("ada").sees("Somebody called Ada has already labelled 6 items").shot("study-name-phone")
        other.begin("Ben").item(0, 0).keys("0", "Enter").sees("You chose the same").keys("Enter").item(1, 0)
        other.shot("study-item-phone")
        assert other.page.evaluate("document.documentElement.scrollWidth") <= 390
        for number in range(5):
            other.item(number + 1, number).keys("1", "Enter")
        other.sees("Thank you, Ben").finish()
        other.page.locator(".st-key-study_results label").click()
        other.sees("Score against the categories").shot("study-results-phone", whole=True)
        assert other.page.evaluate("document.documentElement.scrollWidth") <= 390

        tab.page.reload()
        tab.still().page.locator(".st-key-study_results label").click()
        tab.sees("5 of 5 features").sees("Random guessing").shot("study-results", whole=True)
        with tab.page.expect_download(timeout=PATIENCE) as download:
            tab.click("study_json")
        download.value.save_as(tmp_path / "results.json")
        whole = json.loads((tmp_path / "results.json").read_text())
        assert whole["annotators"] == {"Ada": 5, "Ben": 5}
        ada, ben = (whole["score by annotator"][who]["credit"]["value"] for who in ("Ada", "Ben"))
        assert ada == 1 and ben == pytest.approx((1 + 1 / 2) / 5)
        assert [row["by Ada"] for row in whole["rows"]] == [row["truth"] for row in whole["rows"]]
        for each in (tab, other):
            each.nothing_complains()
