"""What the pages show of a model that refuses and that writes at length, in a real browser on the demo. These tests
share one server, because what it measures once, on its first visit, takes longer than a test.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import expect

from tests.browser.audit_page import PATIENCE, AuditPage
from tests.browser.hydra_page import HydraPage
from tests.browser.prompts import FLIPPED

_NOT_REFUSED = re.compile("Complied|Off-topic|Degenerate")
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def visit(tabs, demo_address) -> Callable[..., AuditPage]:
    """visit(**link) opens a tab on the demo."""
    return partial(tabs, AuditPage, demo_address)


def test_prompt_then_chart_then_toggle_changes_the_verdict(visit):
    tab = visit(prompt=FLIPPED, tokens="24")
    expect(tab.page.get_by_test_id("stVegaLiteChart").first).to_be_visible()
    before = tab.score("before")
    tab.click("set_direction")
    expect(tab.pill("refusal direction")).to_be_visible()
    tab.settled()
    tab.verdict_is("after", "Complied").verdict_is("before", "Refused")
    after = tab.score("after")
    assert tab.score("before") == before and after < before
    expect(tab.card("after").get_by_text("KL, benign")).to_be_visible()
    tab.shot("flipped", whole=True)

    tab.pill("refusal direction").click()  # off
    expect(tab.card("after").get_by_text("no edit", exact=True)).to_be_visible()
    tab.settled()
    assert tab.score("after") == before
    tab.pill("refusal direction").click()  # on again, from what is remembered
    tab.verdict_is("after", "Complied").settled()
    assert tab.score("after") == after
    tab.nothing_complains()


def test_stop_keeps_what_was_written_and_continue_goes_on(visit):
    tab = visit(prompt="Write a long story about a lighthouse keeper and the sea.")
    tab.length(128)
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


def test_the_tour_is_stored_and_leaves_prompt_and_edits_alone(tabs, demo_address):
    tab = tabs(HydraPage, demo_address, prompt=FLIPPED, edits="13-1,13-2")
    score = tab.score("after")
    tab.click("hydra_tour_begin").step(1)
    expect(tab.page.get_by_text("Stored result").filter(visible=True).first).to_be_visible()
    expect(tab.page.locator(".stMarkdownBadge").filter(has_text="Refused", visible=True).first).to_be_visible()
    tab.click("hydra_tour_next").step(2)
    expect(tab.page.locator(".stMarkdownBadge").filter(has_text=_NOT_REFUSED, visible=True).first).to_be_visible()
    stored = tab.page.locator("[data-testid=stMetricValue]").all_inner_texts()
    tab.shot("hydra-tour-flipped")
    tab.click("hydra_tour_live_button").step(2)
    expect(tab.page.get_by_text("Measured now").filter(visible=True).first).to_be_visible(timeout=PATIENCE)
    tab.quiet()
    assert tab.page.locator("[data-testid=stMetricValue]").all_inner_texts() == stored
    tab.click("hydra_tour_end").still()
    tab.prompt_is(FLIPPED)
    assert tab.pills.count() == 2 and tab.score("after") == score
    tab.nothing_complains()
