"""What a visitor of the audit page does, in a real browser on the real demo model. Each test leaves a screenshot."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from core.bundled import read_bundled
from core.paths import assets_folder
from tests.browser.audit_page import PATIENCE
from tests.browser.server import running_server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def harmful(number: int = 0) -> str:
    """A bundled harmful prompt that the model was not trained on."""
    rows = read_bundled(assets_folder() / "demo" / "prompts.csv")
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


def test_two_tabs_at_once_with_different_edits_do_not_meet(visit):
    alone = visit(prompt=harmful(1), edits="direction")
    expected = {"": alone.score("before"), "direction": alone.score("after")}
    first, second = visit(prompt=harmful(2)), visit(prompt=harmful(2))
    first.type_prompt(harmful(1))
    second.type_prompt(harmful(1))
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
    tab.pills.first.click()  # one of them off: a link carries what is on
    expect(tab.page.get_by_text(re.compile(r"\d+ of \d+ on"))).to_be_visible()
    tab.settled()
    here, on = tab.page.url, tab.pills.count() - 1
    other = visit()
    other.page.goto(here)
    expect(other.pills).to_have_count(on, timeout=PATIENCE)
    other.settled()
    expect(other.box).to_have_value(harmful(3))
    assert (other.score("before"), other.score("after")) == (tab.score("before"), tab.score("after"))
    other.shot("link-restored")
    other.nothing_complains()
