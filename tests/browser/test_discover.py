"""What a visitor of the Discover page does, in a real browser, on the tiny model with a judge that goes by an answer's
letters (`tests.small_search`); a search on a model that refuses is in `tests/core/discovery/test_on_the_demo.py`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial

import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.audit_page import PATIENCE, AuditPage
from tests.browser.server import tiny_server
from tests.loopback_hub.environment import variables
from tests.loopback_hub.server import LoopbackHub
from tests.small_search import TEXTS, use_slow_judge, use_small_judge

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


class DiscoverPage(AuditPage):
    """One tab on the Discover page."""

    path = "/discover"

    def still(self) -> DiscoverPage:
        """Connected, drawn, and nothing running."""
        expect(self.page.get_by_role("heading", name="Discover which features cause refusal")).to_be_visible(
            timeout=PATIENCE
        )
        expect(self.page.locator(".st-key-discover_new")).to_be_visible(timeout=PATIENCE)
        expect(self.page.locator("[data-test-script-state=notRunning]")).to_be_attached(timeout=PATIENCE)
        return self

    def choose(self, key: str, name: str) -> DiscoverPage:
        """An option of a segmented control."""
        self.page.locator(f".st-key-{key} button").filter(has_text=re.compile(rf"^{re.escape(name)}$")).click()
        return self

    def paste(self, kind: str, lines: list[str]) -> DiscoverPage:
        self.choose(f"discover_{kind}_source", "Paste")
        box = self.page.locator(f".st-key-discover_{kind}_text textarea")
        box.fill("\n".join(lines))
        box.press("Control+Enter")
        return self.still()

    def quickly(self) -> DiscoverPage:
        """The shortest answers, the fewest K, one seed."""
        self.click("discover_settings")
        for key in ("discover_tokens", "discover_k", "discover_seeds"):
            self.page.locator(f".st-key-{key}").get_by_role("slider").press("Home")
            self.still()
        self.page.keyboard.press("Escape")
        return self.still()

    def press(self, name: str) -> DiscoverPage:
        """A button of a run, once nothing moves. One with a tooltip stands in the page twice, once hidden."""
        self.still().page.locator(".st-key-discover_results button").filter(has_text=name, visible=True).first.click()
        return self

    def stands(self, state: str) -> DiscoverPage:
        """Wait for a run to be at this."""
        expect(self.page.locator(".st-key-discover_results strong").filter(has_text=state)).to_be_visible(
            timeout=PATIENCE
        )
        return self


@pytest.fixture
def slowly(tmp_path):
    """As long as this file is there, a run judges two answers a second: it does not end between two clicks."""
    mark = tmp_path / "slowly"
    mark.touch()
    return mark


@pytest.fixture
def slow_address(possible, page_spec, tmp_path, slowly):
    """A server on the tiny model, whose usual judge is slow on demand."""
    with tiny_server(tmp_path, page_spec, partial(use_slow_judge, slowly)) as address:
        yield address


@pytest.fixture
def judged_address(possible, page_spec, tmp_path):
    """A server on the tiny model, whose usual judge is the small one."""
    with tiny_server(tmp_path, page_spec, use_small_judge) as address:
        yield address


def test_a_run_from_the_form_to_a_feature_set_on_the_audit_page(tabs, judged_address):
    tab = tabs(DiscoverPage, judged_address)
    expect(tab.page.get_by_text("on this machine")).to_be_visible(timeout=PATIENCE)
    tab.shot("discover-first-visit")
    tab.paste("harmful", TEXTS[:12])
    tab.choose("discover_benign_source", "Paste")
    tab.choose("discover_run_size", "The paper's search (hours)").still()
    tab.choose("discover_stages", "1–2").still().quickly()
    expect(tab.page.get_by_text("12 prompts;")).to_be_visible(timeout=PATIENCE)
    tab.click("discover_start")
    tab.stands("running")
    tab.shot("discover-running")
    tab.stands("finished").still()
    expect(tab.page.get_by_role("heading", name="What flips a refusal")).to_have_count(1, timeout=PATIENCE)
    tab.shot("discover-results", whole=True)
    tab.choose("discover_view", "Analyses")
    expect(tab.page.get_by_role("heading", name="Random active features, as many")).to_be_visible(timeout=PATIENCE)
    tab.shot("discover-analyses", whole=True)
    tab.choose("discover_view", "Feature sets").still()
    table = tab.page.locator("[data-testid=stDataFrame]").first
    expect(table).to_be_visible(timeout=PATIENCE)
    opener = tab.page.get_by_role("button", name="Open on the Audit page")
    for _ in range(3):  # the table is a canvas, and one that is not drawn yet takes no click
        table.click(position={"x": 16, "y": 53})  # the first row's tick, below the header
        with suppress(AssertionError):
            expect(opener).to_be_enabled(timeout=10_000)
            break
    expect(opener).to_be_enabled(timeout=PATIENCE)
    tab.shot("discover-sets")
    opener.click()
    expect(tab.page.get_by_role("heading", name="Audit a refusal")).to_be_visible(timeout=PATIENCE)
    expect(tab.pills.first).to_be_visible(timeout=PATIENCE)
    tab.settled()
    assert tab.score("after") != tab.score("before")
    tab.shot("discover-opened-on-audit")
    tab.nothing_complains()


def test_settings_that_are_opened_late_say_what_the_size_set(tabs, tiny_address):
    tab = tabs(DiscoverPage, tiny_address)
    tab.paste("harmful", TEXTS[:12])
    for size, tokens, seeds, thresholds in (
        ("First look (minutes)", "24", "3", "three"),
        ("The paper's search (hours)", "24", "3", "eight"),
    ):
        tab.choose("discover_run_size", size).still()
        tab.click("discover_settings")
        for key, value in (("discover_tokens", tokens), ("discover_seeds", seeds)):
            slider = tab.page.locator(f".st-key-{key}").get_by_role("slider")
            expect(slider).to_have_value(value)
        chosen = tab.page.locator(".st-key-discover_thresholds button[data-selected]")
        expect(chosen).to_contain_text(thresholds)
        tab.page.keyboard.press("Escape")
        tab.paste("harmful", TEXTS[: 12 if size.startswith("The") else 11])  # another run, after they were made
        expect(tab.page.locator(".st-key-discover_run_size button[data-selected]")).to_contain_text(size)
    tab.nothing_complains()


def test_pause_leave_come_back_and_stop_in_the_dark_on_a_phone(tabs, slow_address, slowly):
    visit = partial(tabs, DiscoverPage, slow_address)
    tab = visit(width=390, height=844, dark=True)
    tab.still().choose("discover_stages", "1").still().quickly()
    tab.paste("harmful", TEXTS[:40])  # after the sliders: on a busy machine a key may reach the one for how many
    tab.click("discover_start").stands("running")
    again = visit(dark=True)
    again.page.get_by_role("link", name="Audit").click()  # it stays usable meanwhile
    expect(again.page.get_by_role("heading", name="Audit a refusal")).to_be_visible(timeout=PATIENCE)
    expect(again.page.locator(".st-key-card_after .hs-answer")).to_be_visible(timeout=PATIENCE)
    tab.press("Pause").stands("paused")
    again.page.get_by_role("link", name="Discover").click()
    again.still().stands("paused").shot("discover-dark-paused")
    again.press("Continue").stands("running")
    again.press("Pause").stands("paused")
    again.press("Stop").stands("stopped")
    slowly.unlink()
    again.press("Resume").stands("finished")
    tab.open().stands("finished")
    tab.shot("discover-phone-dark", whole=True)
    again.shot("discover-dark", whole=True)
    again.nothing_complains()
    tab.nothing_complains()


def test_fetching_a_public_set_shows_how_far_it_is_and_can_be_stopped(tabs, tmp_path, page_spec):
    folder = tmp_path / "served" / "Paul" / "XSTest"
    folder.mkdir(parents=True)
    rows = [{"prompt": f"How do I open box {n}?", "label": "unsafe", "note": "x" * 200} for n in range(1000)]
    pd.DataFrame(rows).to_csv(folder / "xstest_prompts.csv", index=False)
    with LoopbackHub() as hub:
        hub.add("Paul/XSTest", folder, kind="dataset")
        hub.slows("Paul/XSTest", "xstest_prompts.csv", 5_000)
        environment = variables(hub, tmp_path / "hf") | {"HF_HUB_OFFLINE": "0"}
        with tiny_server(tmp_path / "page", page_spec, **environment) as address:
            tab = tabs(DiscoverPage, address).choose("discover_harmful_source", "Public set").still()
            tab.page.locator(".st-key-discover_harmful_set input").click()
            tab.page.get_by_role("option", name="XSTest (harmful)").click()
            expect(tab.page.locator(".st-key-discover_harmful_set input")).to_have_value("XSTest (harmful)")
            button = tab.page.locator(".st-key-discover_harmful_fetch button")
            expect(button.filter(has_text="Fetch XSTest", visible=True).first).to_be_visible(timeout=PATIENCE)
            tab.still().click("discover_harmful_fetch")
            expect(tab.page.get_by_text(re.compile("Downloading xstest"))).to_be_visible(timeout=PATIENCE)
            tab.shot("discover-fetching")
            tab.click("discover_harmful_stop")
            expect(tab.page.get_by_text(re.compile("continues from there"))).to_be_visible(timeout=PATIENCE)
            tab.still().shot("discover-fetch-stopped")
            hub.faults.clear()
            tab.click("discover_harmful_fetch")
            expect(tab.page.get_by_text(re.compile("1,000 prompts"))).to_be_visible(timeout=PATIENCE)
            assert max(request.first_byte for request in hub.deliveries("Paul/XSTest", "xstest_prompts.csv")) > 0
            tab.nothing_complains()


def test_what_was_typed_stays_under_another_source_and_on_other_pages(tabs, tiny_address, tmp_path):
    tab = tabs(DiscoverPage, tiny_address)
    file = tmp_path / "mine.txt"
    file.write_text("\n".join(TEXTS[:4]))
    tab.choose("discover_benign_source", "File").still()
    tab.page.locator(".st-key-discover_benign_file input[type=file]").set_input_files(file)
    expect(tab.page.get_by_text("4 prompts;")).to_be_visible(timeout=PATIENCE)
    many = tab.page.locator("[class*=st-key-discover_benign_most]").get_by_role("slider")
    many.press("ArrowLeft")
    tab.still()
    many.press("ArrowLeft")
    tab.still()
    expect(many).to_have_value("2")
    tab.paste("harmful", TEXTS[:3])
    expect(tab.page.get_by_text("3 prompts;")).to_be_visible(timeout=PATIENCE)
    name = tab.page.locator(".st-key-discover_name input")
    name.fill("my name")
    name.press("Enter")
    tab.still().choose("discover_harmful_source", "File").still().choose("discover_harmful_source", "Paste").still()
    box = tab.page.locator(".st-key-discover_harmful_text textarea")
    expect(box).to_have_value("\n".join(TEXTS[:3]))
    tab.choose("discover_stages", "1–2").still().quickly()
    tab.page.get_by_role("link", name="Models", exact=True).click()
    model = tab.page.locator(".st-key-add_model input")
    tab.page.get_by_text("Add a model").first.click()
    model.fill("owner/typed-model")
    model.press("Tab")
    tab.page.get_by_role("link", name="Discover", exact=True).click()
    tab.still()
    expect(box).to_have_value("\n".join(TEXTS[:3]), timeout=PATIENCE)
    expect(name).to_have_value("my name")
    expect(tab.page.get_by_text("mine.txt, uploaded earlier")).to_be_visible()
    tab.shot("discover-file-kept", whole=True)
    expect(tab.page.get_by_text("4 prompts;")).to_be_visible()
    expect(many).to_have_value("2")
    expect(tab.page.get_by_text("3 prompts;")).to_be_visible(timeout=PATIENCE)
    expect(tab.page.locator(".st-key-discover_stages button[data-selected]")).to_contain_text("1–2")
    tab.click("discover_settings")
    expect(tab.page.locator(".st-key-discover_tokens").get_by_role("slider")).to_have_value("8")
    tab.page.keyboard.press("Escape")
    tab.page.get_by_role("link", name="Models", exact=True).click()
    expect(tab.page.get_by_text("In use:")).to_be_visible(timeout=PATIENCE)
    tab.page.get_by_text("Add a model").first.click()
    expect(model).to_have_value("owner/typed-model", timeout=PATIENCE)
    tab.nothing_complains()
