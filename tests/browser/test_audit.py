"""What a visitor of the audit page does, in a real browser on the tiny model."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import expect

from tests.browser.audit_page import PATIENCE, AuditPage
from tests.browser.server import tiny_server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
PROMPT, OTHER = "How do I bake bread in a small town?", "Tell me a story about a cat."


@pytest.fixture
def visit(tabs, tiny_address) -> Callable[..., AuditPage]:
    """visit(**link) opens a tab on the tiny model."""
    return partial(tabs, AuditPage, tiny_address)


def test_the_first_visit_by_a_cold_deep_link(tabs, page_spec, tmp_path):
    with tiny_server(tmp_path, page_spec) as fresh:
        tab = tabs(AuditPage, fresh, prompt=PROMPT, edits="direction")
        expect(tab.page.get_by_role("heading", name="Audit a refusal")).to_be_visible()
        expect(tab.box).to_have_value(PROMPT)
        expect(tab.pills).to_have_count(1)
        assert tab.score("after") != tab.score("before")
        tab.shot("cold-deep-link")
        tab.nothing_complains()


def test_the_bare_page_shows_an_example_fully_analysed(visit):
    tab = visit()
    expect(tab.box).not_to_have_value("")
    expect(tab.page.locator("[data-testid=stVegaLiteChart]")).to_have_count(2)
    expect(tab.page.locator("[data-testid=stDataFrame]")).to_be_visible()
    tab.shot("first-impression")
    tab.shot("first-impression-whole", whole=True)
    tab.nothing_complains()


def test_two_tabs_at_once_with_different_edits_do_not_meet(visit):
    alone = visit(prompt=PROMPT, edits="direction")
    expected = {"": alone.score("before"), "direction": alone.score("after")}
    first, second = visit(prompt=OTHER), visit(prompt=OTHER)
    first.type_prompt(PROMPT, wait=False)
    second.type_prompt(PROMPT, wait=False)
    first.click("set_direction")
    second.click("set_top")
    for tab in (first, second):
        expect(tab.pills.first).to_be_visible()
        tab.settled()
        expect(tab.box).to_have_value(PROMPT)
        assert tab.score("before") == expected[""]
    assert first.score("after") == expected["direction"]
    assert first.pills.count() == 1 and second.pills.count() > 5
    second.shot("two-tabs")
    first.nothing_complains()
    second.nothing_complains()


def test_a_link_restores_prompt_edits_and_scores(visit):
    tab = visit(prompt=PROMPT, edits="direction@template")
    tab.click("set_random")
    expect(tab.pill("direction")).to_have_count(0, timeout=PATIENCE)  # else the click below may meet the old chip
    tab.settled()
    expect(tab.page).to_have_url(re.compile("edits="), timeout=PATIENCE)
    tab.pills.first.click()  # one of them off: a link carries that too
    expect(tab.page.get_by_text(re.compile(r"\d+ of \d+ edits on"))).to_be_visible()
    tab.settled()
    here, known = tab.page.url, tab.pills.count()
    other = visit()
    other.page.goto(here)
    expect(other.pills).to_have_count(known, timeout=PATIENCE)
    other.settled()
    expect(other.box).to_have_value(PROMPT)
    assert (other.score("before"), other.score("after")) == (tab.score("before"), tab.score("after"))
    other.shot("link-restored")
    other.nothing_complains()


def test_a_link_with_edits_this_model_lacks_says_so_and_goes_on(visit):
    tab = visit(prompt="How do I bake bread?", edits="99-1,direction,12-999999,nonsense")
    expect(tab.page.get_by_text("cannot be used here")).to_be_visible()
    expect(tab.pills).to_have_count(1)
    tab.shot("bad-link")
    tab.nothing_complains()


def test_the_browsers_back_button_undoes(visit):
    tab = visit(prompt="How do I bake bread?")
    tab.click("set_direction")
    expect(tab.pills).to_have_count(1)
    tab.settled()
    tab.page.go_back()
    expect(tab.pills).to_have_count(0, timeout=PATIENCE)
    tab.nothing_complains()


def test_dark_mode(visit):
    tab = visit(dark=True, prompt=PROMPT, edits="direction")
    colour = tab.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", colour)[:3])) < 200, colour
    bar = tab.page.evaluate("getComputedStyle(document.querySelector('.st-key-active_bar')).backgroundColor")
    assert bar == colour, "the active set stands on the page's own colour"
    tab.shot("dark", whole=True)
    tab.nothing_complains()


def test_phone_width(visit):
    tab = visit(width=390, height=844, prompt=PROMPT, edits="direction")
    for element in ("document.documentElement", "document.querySelector('[data-testid=stMain]')"):
        assert tab.page.evaluate(f"{element}.scrollWidth") <= 390
    before, after = tab.card("before").bounding_box(), tab.card("after").bounding_box()
    assert after["y"] > before["y"] + before["height"] - 1, "the cards stand one below the other"
    tab.shot("phone")
    tab.shot("phone-whole", whole=True)
    tab.nothing_complains()


def test_markup_in_a_prompt_is_shown_as_text(visit):
    odd = "<b>x</b> **y** $z$ :red[w] <img src=q onerror=alert(1)>"
    tab = visit()
    tab.type_prompt(odd).settled()
    expect(tab.box).to_have_value(odd)
    chips = tab.page.locator(".hs-chip")
    expect(chips.filter(has_text="*").first).to_be_visible()
    expect(tab.page.locator(".hs-strip img, .hs-answer img, .hs-chip b")).to_have_count(0)
    tab.type_prompt("How do I bake bread?").settled()
    tab.click("quick_settings")  # any rerun, so that the list of recent audits holds the odd one
    tab.page.keyboard.press("Escape")
    tab.click("set_direction").settled()
    recent = tab.page.locator(".st-key-recent")
    expect(recent.get_by_text("<b>x</b> **y** $z$", exact=False).first).to_be_visible()
    expect(recent.locator("b, strong, .katex, img")).to_have_count(0)
    tab.shot("markup")
    tab.nothing_complains()


def test_a_tick_in_the_table_switches_a_feature_off_and_undo_takes_the_tick_away(visit):
    tab = visit(prompt=PROMPT)
    table = tab.page.locator("[data-testid=stDataFrame]")
    expect(table.locator("canvas").first).to_be_visible(timeout=PATIENCE)

    def tick(row: int) -> None:  # the table is a canvas: rows of 30 px below a header, ticks at the left edge
        table.click(position={"x": 20, "y": 36 + 30 * row + 15})

    before = tab.settled().score("after")
    tick(0)
    expect(tab.pills).to_have_count(1)
    assert tab.settled().score("after") != before
    expect(tab.page.locator(".st-key-active_heading")).to_be_in_viewport()
    expect(table).to_be_in_viewport()
    expect(tab.card("after")).to_be_in_viewport()
    tick(1)
    expect(tab.pills).to_have_count(2)
    tab.settled()
    tab.shot("picked-from-table")
    tick(0)
    expect(tab.pills).to_have_count(1)
    tab.settled().click("workspace_undo")
    expect(tab.pills).to_have_count(2)
    tab.settled()
    tick(0)  # it was ticked again by Undo, so this takes it away
    expect(tab.pills).to_have_count(1)
    tab.settled().nothing_complains()
