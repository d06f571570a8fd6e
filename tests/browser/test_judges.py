"""Judging answers in a real browser: a file, a classifier through a loopback hub, stop and go on, coming back, a phone.

The hub serves a tiny stand-in under the name of HarmBench's 7B classifier.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import expect

from tests.browser.audit_page import PATIENCE, AuditPage
from tests.browser.server import tiny_server
from tests.loopback_hub.environment import variables
from tests.loopback_hub.server import LoopbackHub

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
REPO, NAME = "cais/HarmBench-Mistral-7b-val-cls", "harmbench-mistral"
SAID = (
    "I cannot help with that. If you are in danger, please call someone you trust.",
    "Step 1: take flour, water and salt, and knead them for ten minutes. Step 2: let it rise in a warm place. " * 2,
    "I'm sorry, but that is not something I can do.",
    "Of course. The town lies by a river, and on market days the square fills with people and their stories.",
    "No. <b>Not today</b>, and not **tomorrow** either.",
    "no no no no no no no no no no no no",
)


class JudgesPage(AuditPage):
    """One tab on the Judges page."""

    path = "/judges"

    def still(self) -> JudgesPage:
        expect(self.page.get_by_role("heading", name="Judges", exact=True).first).to_be_visible(timeout=PATIENCE)
        expect(self.page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=PATIENCE)
        return self

    def says(self, text: str) -> JudgesPage:  # type: ignore[override]
        expect(self.page.get_by_text(re.compile(text)).first).to_be_visible(timeout=PATIENCE)
        return self

    def from_file(self, path: Path) -> JudgesPage:
        self.page.locator(".st-key-judges_source button").filter(has_text="A file").click()
        self.page.locator("input[type=file]").set_input_files(path)
        return self.says("24 answers")

    def also(self, name: str) -> JudgesPage:
        """One more judge from the list."""
        self.page.locator(".st-key-judges_judges input").click()
        self.page.get_by_role("option", name=name).click()
        self.page.keyboard.press("Escape")
        return self.still()

    def judged(self) -> JudgesPage:
        """Wait for the end of what is under way."""
        expect(self.page.locator(".st-key-judges_progress button")).to_have_count(0, timeout=PATIENCE)
        expect(self.page.locator(".st-key-judges_start button:visible")).to_be_enabled(timeout=PATIENCE)
        return self.still()

    def stop(self) -> JudgesPage:
        self.page.locator(".st-key-judges_progress button:visible").filter(has_text="Stop").click()
        return self


class Served(NamedTuple):
    hub: LoopbackHub
    address: str


@pytest.fixture
def served(tmp_path, harmbench_folders, page_spec) -> Iterator[Served]:
    """A hub with the stand-in, gated, and a page that is pointed at it with a token that has no access yet."""
    with LoopbackHub() as hub:
        hub.add(REPO, harmbench_folders[NAME], gated="manual")
        hub.allow("hf_reader")
        environment = variables(hub, tmp_path / "hf") | {"HF_TOKEN": "hf_reader", "HF_HUB_OFFLINE": "0"}
        with tiny_server(tmp_path / "page", page_spec, **environment) as address:
            yield Served(hub, address)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "answers.csv"
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "prompt", "response"])
        for number in range(24):
            writer.writerow([number, f"Request {number}: how do I do the thing?", SAID[number % len(SAID)]])
    return path


def test_answers_of_a_file_by_two_judges_with_every_trouble_on_the_way(served, tabs, file):
    hub = served.hub
    tab = tabs(JudgesPage, served.address)
    tab.says("Labelled answers").says("Read in two passes").shot("judges-first")
    tab.from_file(file).shot("judges-file")
    tab.click("judges_start").says(r"33.3% \(8 of 24")
    tab.still().shot("judges-substrings", whole=True)

    tab.also(NAME).says("Accept the licence").shot("judges-gated")
    expect(tab.page.locator(".st-key-judges_start button:visible")).to_be_disabled()
    hub.allow("hf_reader", REPO)
    tab.click("judges_again").says("It fits")
    expect(tab.page.locator(".st-key-judges_start button:visible")).to_be_enabled(timeout=PATIENCE)

    hub.slows(REPO, "model.safetensors", 20_000)
    tab.still().click("judges_start").says("Downloading model")
    tab.shot("judges-downloading")
    tab.page.get_by_role("link", name="Models").click()
    expect(tab.page.get_by_text("In use:")).to_be_visible(timeout=PATIENCE)
    tab.page.get_by_role("link", name="Judges").click()
    tab.says("answers.csv, uploaded earlier").says("Downloading model").stop().says("continues from there|stopped")
    tab.still().shot("judges-stopped")
    hub.faults.clear()

    tab.click("judges_start").says("Agreement of the judges").says("Answers on which the judges differ").judged()
    tab.shot("judges-agreement", whole=True)
    tab.says("κ = ").says("7 answers")
    tab.page.get_by_text("Agreement on all stored answers").click()
    tab.says("the text was not kept").shot("judges-stored", whole=True)
    assert tab.page.locator("b", has_text="Not today").count() == 0, "what a model wrote is text"
    tab.nothing_complains()


def test_on_a_phone_in_the_dark(served, tabs, file):
    served.hub.allow("hf_reader", REPO)
    tab = tabs(JudgesPage, served.address, width=390, height=844, dark=True)
    tab.from_file(file).also(NAME).says("It fits")
    tab.still().click("judges_start").says("Answers on which the judges differ").judged()
    tab.shot("judges-phone-dark", whole=True)
    wide = tab.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, "the page itself never scrolls sideways"
    tab.nothing_complains()


def test_a_file_of_ten_thousand_answers_is_taken(served, tabs, tmp_path):
    path = tmp_path / "many.csv"
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["prompt", "response"])
        writer.writerows(
            [f"Request {number}", SAID[number % len(SAID)] + " And so on." * 60] for number in range(10_000)
        )
    assert path.stat().st_size > 6_000_000
    tab = tabs(JudgesPage, served.address)
    tab.page.locator(".st-key-judges_source button").filter(has_text="A file").click()
    tab.page.locator("input[type=file]").set_input_files(path)
    tab.says("10,000 answers").click("judges_start").says("of 10,000 judged")
    tab.stop().says("continues from there").shot("judges-many")
    tab.nothing_complains()


def test_without_a_hub_what_loads_nothing_still_judges(served, tabs, file):
    served.hub.__exit__(None, None, None)
    tab = tabs(JudgesPage, served.address, width=390, height=844)
    tab.from_file(file).also(NAME).says("network|reach").shot("judges-phone-offline", whole=True)
    expect(tab.page.locator(".st-key-judges_start button:visible")).to_be_disabled()
    tab.page.get_by_role("button", name=f"Remove {NAME}").click()
    tab.still().click("judges_start").says(r"33.3% \(8 of 24")
    tab.nothing_complains()
