"""What a visitor of the audit page does, in a real browser on the real demo model. Each test leaves a screenshot."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from core.paths import assets_folder
from core.prompts.shipped import read_shipped
from tests.browser.audit_page import PATIENCE
from tests.browser.server import running_server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def harmful(number: int = 0) -> str:
    """A bundled harmful prompt that the model was not trained on."""
    rows = read_shipped(assets_folder() / "demo" / "prompts.csv")
    texts = [row.text for row in rows if row.kind == "harmful" and row.split == "test" and len(row.text) > 30]
    return texts[number]


def test_the_first_visit_by_a_cold_deep_link(visit, tmp_path):
    prompt = harmful()
    with running_server(tmp_path) as fresh:
        tab = visit(at=fresh, prompt=prompt, edits="direction")
        expect(tab.page.get_by_role("heading", name="Audit a refusal")).to_be_visible()
        expect(tab.box).to_have_value(prompt)
        expect(tab.pills).to_have_count(1)
        assert tab.score("after") < tab.score("before")
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


def test_prompt_then_chart_then_toggle_changes_the_verdict(visit):
    tab = visit()
    for number in range(8):  # the first that flips: most do, but not every one on so small a model
        tab.type_prompt(harmful(number)).settled()
        expect(tab.page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
        before = tab.score("before")
        if not tab.pills.count():
            tab.click("set_direction")
            expect(tab.pill("refusal direction")).to_be_visible()
            tab.settled()
        if tab.says("before", "Refused").count() and tab.says("after", "Complied").count():
            break
    tab.verdict_is("after", "Complied").verdict_is("before", "Refused")
    after = tab.score("after")
    assert tab.score("before") == before and after < before
    expect(tab.card("after").get_by_text("KL, benign")).to_be_visible()
    tab.shot("flipped", whole=True)

    tab.pill("refusal direction").click()  # off
    expect(tab.card("after").get_by_text("no edit")).to_be_visible()
    tab.settled()
    assert tab.score("after") == before
    tab.pill("refusal direction").click()  # on again, from what is remembered
    tab.verdict_is("after", "Complied").settled()
    assert tab.score("after") == after
    tab.nothing_complains()


def test_two_tabs_at_once_with_different_edits_do_not_meet(visit):
    alone = visit(prompt=harmful(1), edits="direction")
    expected = {"": alone.score("before"), "direction": alone.score("after")}
    first, second = visit(prompt=harmful(2)), visit(prompt=harmful(2))
    first.type_prompt(harmful(1), wait=False)
    second.type_prompt(harmful(1), wait=False)
    first.click("set_direction")
    second.click("set_top")
    for tab in (first, second):
        expect(tab.pills.first).to_be_visible()
        tab.settled()
        expect(tab.box).to_have_value(harmful(1))
        assert tab.score("before") == expected[""]
    assert first.score("after") == expected["direction"]
    assert first.pills.count() == 1 and second.pills.count() > 5
    second.shot("two-tabs")
    first.nothing_complains()
    second.nothing_complains()


def test_a_link_restores_prompt_edits_and_scores(visit):
    tab = visit(prompt=harmful(3), edits="direction@template")
    tab.click("set_random").settled()
    expect(tab.page).to_have_url(re.compile("edits="), timeout=PATIENCE)
    tab.pills.first.click()  # one of them off: a link carries that too
    expect(tab.page.get_by_text(re.compile(r"\d+ of \d+ on"))).to_be_visible()
    tab.settled()
    here, known = tab.page.url, tab.pills.count()
    other = visit()
    other.page.goto(here)
    expect(other.pills).to_have_count(known, timeout=PATIENCE)
    other.settled()
    expect(other.box).to_have_value(harmful(3))
    assert (other.score("before"), other.score("after")) == (tab.score("before"), tab.score("after"))
    other.shot("link-restored")
    other.nothing_complains()


def test_a_link_with_edits_this_model_lacks_says_so_and_goes_on(visit):
    tab = visit(prompt="How do I bake bread?", edits="99-1,direction,12-999999,nonsense")
    expect(tab.page.get_by_text("cannot be used with this model")).to_be_visible()
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
    tab = visit(dark=True, prompt=harmful(), edits="direction")
    colour = tab.page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", colour)[:3])) < 200, colour
    bar = tab.page.evaluate("getComputedStyle(document.querySelector('.st-key-active_bar')).backgroundColor")
    assert bar == colour, "the active set stands on the page's own colour"
    tab.shot("dark", whole=True)
    tab.nothing_complains()


def test_phone_width(visit):
    tab = visit(width=390, height=844, prompt=harmful(), edits="direction")
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
    expect(chips.filter(has_text="**").first).to_be_visible()
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


def test_stop_keeps_what_was_written_and_continue_goes_on(visit):
    tab = visit(prompt="Write a long story about a lighthouse keeper and the sea.")
    tab.length(256)
    tab.click_text("Stop")
    expect(tab.page.get_by_role("button", name="Continue")).to_be_visible()
    tab.verdict_is("before", "Stopped")
    stopped = tab.answer("before")
    tab.shot("stopped")
    tab.click_text("Continue")
    expect(tab.page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    expect(tab.says("before", "Stopped")).to_have_count(0)
    tab.settled()
    assert tab.answer("before").startswith(stopped) and len(tab.answer("before")) > len(stopped)
    tab.nothing_complains()


def test_a_click_while_answering_is_taken_at_once(visit):
    tab = visit(prompt="Write a long story about a mountain village and its baker.")
    tab.length(256)
    expect(tab.page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    tab.click("set_direction")
    expect(tab.card("after").get_by_text("refusal direction ablated")).to_be_visible()
    tab.verdict_is("after", "Answering")  # the score came before the answers
    tab.click_text("Stop")
    expect(tab.page.get_by_role("button", name="Continue")).to_be_visible()
    tab.nothing_complains()


def test_features_picked_in_the_table_join_the_active_set(visit):
    tab = visit(prompt=harmful())
    table = tab.page.locator("[data-testid=stDataFrame]")
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    for row in (0, 1):  # the table is a canvas: rows of 30 px below a header, ticks at the left edge
        tab.page.mouse.click(box["x"] + 20, box["y"] + 36 + 30 * row + 15)
    expect(tab.page.get_by_role("button", name="Ablate 2 selected")).to_be_visible()
    tab.click("audit_ablate")
    expect(tab.pills).to_have_count(2)
    tab.settled()
    expect(tab.page.locator(".st-key-active_bar")).to_be_in_viewport()
    tab.shot("picked-from-table")
    tab.nothing_complains()
