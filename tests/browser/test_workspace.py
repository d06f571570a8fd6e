"""Who owns what a visitor sees: prompt, edits and settings go with the visitor from page to page.

On the tiny model: nothing here depends on what a model answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import combinations

import pytest
from playwright.sync_api import expect

from tests.browser.workbench import PATHS, Workbench

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

PROMPT = "How do I bake bread in a small town?"
THREE = {"2-3": True, "2-4": True, "3-4": True}
ONE_OFF = THREE | {"2-4": False}
LINK = {"prompt": PROMPT, "edits": ",".join(THREE)}
PAGES = tuple(PATHS)


@pytest.fixture
def visit(tabs, tiny_address) -> Callable[..., Workbench]:
    """visit(page=…, **link) opens a tab on the tiny model."""
    return partial(tabs, Workbench, tiny_address)


@pytest.mark.parametrize("page", PAGES[1:])
def test_a_click_on_the_next_page_leaves_the_edits_on(visit, page):
    tab = visit(**LINK)
    tab.go(page).any_click(page)
    tab.shows(THREE)
    tab.nothing_complains()


def test_settings_of_the_quick_sets_go_along(visit):
    tab = visit(**LINK)
    tab.set_k(2)
    expect(tab.top_button).to_contain_text("Top 7")
    for page in ("Hydra", "BOS", "Audit"):
        tab.go(page)
        expect(tab.top_button).to_contain_text("Top 7")
        tab.any_click(page)
        expect(tab.top_button).to_contain_text("Top 7")
    tab.nothing_complains()


@pytest.mark.parametrize("page", PAGES[1:])
def test_a_chip_switches_its_own_edit_and_no_other(visit, page):
    tab = visit(**LINK)
    tab.go(page).shows(THREE)
    tab.toggle("2-4").shows(ONE_OFF)
    tab.toggle("2-4").shows(THREE)
    tab.nothing_complains()


def test_the_prompt_stands_in_the_box_on_hydra_and_on_return(visit):
    tab = visit(**LINK)
    tab.go("Hydra")
    expect(tab.box).to_have_value(PROMPT)
    tab.go("Audit")
    expect(tab.box).to_have_value(PROMPT)
    tab.go("BOS").go("Audit")
    expect(tab.box).to_have_value(PROMPT)
    tab.nothing_complains()


def test_back_from_hydra_lands_where_the_visitor_was(visit):
    tab = visit(**LINK)
    before = tab.query()
    tab.go("Hydra")
    assert tab.query() == before
    tab.back("Audit")
    assert tab.query() == before
    tab.shows(THREE)
    expect(tab.box).to_have_value(PROMPT)
    tab.forward("Hydra")
    assert tab.query() == before
    tab.shows(THREE)
    tab.nothing_complains()


@pytest.mark.parametrize("page", PAGES)
def test_a_reload_keeps_an_edit_that_is_off(visit, page):
    tab = visit(page=page, **LINK)
    tab.toggle("2-4").shows(ONE_OFF)
    tab.reload(page).shows(ONE_OFF)
    tab.toggle("2-4").shows(THREE)
    tab.nothing_complains()


def test_blanks_and_enter_change_nothing(visit):
    tab = visit(**LINK)
    score = tab.score("after")
    tab.type_prompt("   ", wait=False)
    tab.done()
    expect(tab.box).to_have_value(PROMPT)
    assert tab.score("after") == score and tab.query()["prompt"] == PROMPT
    tab.shows(THREE)
    tab.nothing_complains()


@pytest.mark.parametrize("page", ("Audit", "Hydra"))
def test_a_prompt_too_long_for_a_link_says_so_and_draws_one_bar(visit, page):
    tab = visit(page=page, **LINK)
    tab.type_prompt("word " * 2000, wait=False)
    expect(tab.page.get_by_text("too long for a link")).to_be_visible()
    for _ in range(8):
        expect(tab.page.locator(".st-key-active_bar")).to_have_count(1)
        tab.page.wait_for_timeout(60)
    tab.done().shows(THREE)
    tab.type_prompt("Tell me a story").done()
    expect(tab.page.get_by_text("too long for a link")).to_have_count(0)
    tab.nothing_complains()


def test_a_prompt_of_some_length_is_in_the_address(visit):
    tab = visit(**LINK)
    prompt = ("How do I bake bread? " * 20).strip()
    tab.type_prompt(prompt).done()
    assert tab.query()["prompt"] == prompt
    tab.reload("Audit")
    expect(tab.box).to_have_value(prompt)


@pytest.mark.parametrize(("first", "second"), combinations(PAGES, 2))
def test_every_pair_of_pages_both_ways(visit, first, second):
    tab = visit(page=first, **LINK)
    for there in (second, first):
        tab.shows(THREE)
        expect(tab.top_button).to_contain_text("Top 5")
        tab.toggle("2-4").shows(ONE_OFF)
        tab.set_k(1)
        expect(tab.top_button).to_contain_text("Top 6")
        tab.go(there).shows(ONE_OFF)
        expect(tab.top_button).to_contain_text("Top 6")
        tab.any_click(there).shows(ONE_OFF)
        assert tab.query()["prompt"] == PROMPT
        tab.toggle("2-4").set_k(-1)
    tab.nothing_complains()


@pytest.mark.parametrize("page", PAGES)
def test_reload_back_and_forward_restore_every_step(visit, page):
    tab = visit(page=page, **LINK)
    tab.toggle("2-4").shows(ONE_OFF)
    tab.set_k(1)
    expect(tab.top_button).to_contain_text("Top 6")  # else the page is left before its address says so
    other = next(name for name in PAGES if name != page)
    tab.go(other).shows(ONE_OFF)
    tab.toggle("2-3").shows(ONE_OFF | {"2-3": False})
    tab.back(other).shows(ONE_OFF)
    tab.back(page).shows(ONE_OFF)
    expect(tab.top_button).to_contain_text("Top 6")
    tab.back(page).shows(ONE_OFF)
    expect(tab.top_button).to_contain_text("Top 5")
    tab.forward(page)
    expect(tab.top_button).to_contain_text("Top 6")
    tab.reload(page).shows(ONE_OFF)
    expect(tab.top_button).to_contain_text("Top 6")
    tab.nothing_complains()


def test_two_tabs_do_not_affect_each_other(visit):
    left, right = visit(**LINK), visit(page="Hydra", prompt="Tell me a story", edits="1-1,1-2")
    left.toggle("2-4").set_k(3)
    right.toggle("1-2")
    left.go("Hydra").shows(ONE_OFF)
    right.go("Audit").shows({"1-1": True, "1-2": False})
    expect(left.top_button).to_contain_text("Top 8")
    expect(right.top_button).to_contain_text("Top 5")
    expect(left.box).to_have_value(PROMPT)
    expect(right.box).to_have_value("Tell me a story")


def test_a_link_pasted_into_a_second_tab_shows_the_same(visit):
    tab = visit(**LINK)
    tab.toggle("2-4").set_k(2)
    other = visit()
    other.page.goto(tab.page.url)
    other.on("Audit").shows(ONE_OFF)
    expect(other.top_button).to_contain_text("Top 7")
    expect(other.box).to_have_value(PROMPT)
    assert other.query() == tab.query()


@pytest.mark.parametrize("page", PAGES[1:])
def test_leaving_a_page_while_it_computes_loses_nothing(visit, page):
    tab = visit(**LINK)
    tab.toggle("2-4").shows(ONE_OFF)
    tab.page.locator(".st-key-answer_length button").filter(has_text="128").click()
    tab.page.get_by_role("link", name=page, exact=True).click()  # at once: an answer is being written
    tab.on(page).shows(ONE_OFF)
    expect(tab.page.get_by_role("heading", name="Audit a refusal")).to_have_count(0)
    tab.type_prompt("Tell me a story", wait=False) if page == "Hydra" else tab.any_click(page)
    tab.page.get_by_role("link", name="Audit", exact=True).click()
    tab.on("Audit").shows(ONE_OFF)
    tab.nothing_complains()


def test_quick_clicks_on_chips_are_all_taken(visit):
    tab = visit(**LINK)
    for name in ("2-3", "2-4", "3-4"):
        tab.pill(name).click()
    tab.done().shows(dict.fromkeys(THREE, False))
    assert set(tab.query()["edits"].split(",")) == {f"~{name}" for name in THREE}


def test_undo_and_redo_on_every_page(visit):
    tab = visit(**LINK)
    tab.toggle("2-4").shows(ONE_OFF)
    tab.go("Hydra").toggle("2-3").shows(ONE_OFF | {"2-3": False})
    tab.go("BOS").undo().shows(ONE_OFF)
    tab.undo().shows(THREE)
    tab.redo().redo().shows(ONE_OFF | {"2-3": False})
    expect(tab.page.locator(".st-key-workspace_redo button").first).to_be_disabled()
    tab.go("Audit").click("workspace_clear").done()
    expect(tab.pills).to_have_count(0)
    tab.undo().shows(ONE_OFF | {"2-3": False})
    tab.nothing_complains()


def test_a_pin_goes_along_and_comes_back(visit):
    tab = visit(**LINK)
    tab.toggle("2-4")
    tab.click("workspace_pin").done()
    tab.click("workspace_clear").done()
    tab.go("Hydra")
    tab.reload("Hydra")
    tab.page.get_by_role("button", name=re.compile(r"^Pinned")).click()
    tab.page.locator(".st-key-workspace_pin_0 button:visible").first.click()
    tab.done().shows(ONE_OFF)
    tab.nothing_complains()


@pytest.mark.parametrize("page", PAGES)
def test_after_navigation_the_page_fits_and_its_strip_stays_in_sight(visit, page):
    first = next(name for name in PAGES if name != page)
    tab = visit(page=first, **LINK)
    tab.toggle("2-4")
    tab.page.goto(tab.page.url.replace(PATHS[first] + "?", PATHS[page] + "?"))
    tab.on(page).shows(ONE_OFF)
    for look in ("light", "dark", "phone"):
        tab.looks(dark=look == "dark", phone=look == "phone").done().shows(ONE_OFF)
        for element in ("document.documentElement", "document.querySelector('[data-testid=stMain]')"):
            assert tab.page.evaluate(f"{element}.scrollWidth") <= tab.page.viewport_size["width"]
        tab.shot(f"workspace-{page}-{look}")
        tab.page.mouse.move(0.6 * tab.page.viewport_size["width"], 600)
        tab.page.mouse.wheel(0, 1500)
        expect(tab.page.locator(".st-key-active_heading")).to_be_in_viewport()
        tab.shot(f"workspace-{page}-{look}-scrolled")
        tab.page.mouse.wheel(0, -3000)
    tab.nothing_complains()


@pytest.mark.parametrize("page", PAGES)
def test_many_edits_leave_the_screen_to_the_page(visit, page):
    """Two rows of chips and the rest a click away; on a phone a seventh of the screen at most."""
    words = [f"{layer}-{index}" for layer in (1, 2, 3) for index in range(16)]
    tab = visit(page=page, prompt=PROMPT, edits=",".join(words))
    chips = tab.page.locator(".st-key-edit_chips")
    expect(tab.pills.first).to_be_visible()
    assert len({round(chip.bounding_box()["y"]) for chip in tab.pills.all()}) == 2
    assert chips.bounding_box()["height"] < 90
    known = tab.pills.count()
    tab.page.locator(".st-key-more_chips button:visible").click()
    more = tab.page.locator(".st-key-edit_chips_more button")
    expect(more).to_have_count(len(words) - known)
    more.last.click()
    tab.done()
    expect(tab.page.get_by_text(f"{len(words) - 1} of {len(words)} edits on")).to_be_visible()
    tab.page.keyboard.press("Escape")
    tab.looks(phone=True).done()
    tab.page.mouse.move(200, 600)
    tab.page.mouse.wheel(0, 1500)
    docked = tab.page.locator(".st-key-active_heading")
    expect(docked).to_be_in_viewport()
    tab.page.wait_for_timeout(300)
    box = docked.bounding_box()
    assert -1 <= box["y"] < 8 and box["height"] <= 120
    expect(chips).not_to_be_in_viewport()
    tab.shot(f"many-edits-{page}")
    tab.nothing_complains()


#: The strip's height with the number of tokens and without it, and which elements of the strip that number lies over.
_HEIGHTS = """() => {
    const bar = document.querySelector('.st-key-active_bar'), said = bar.querySelector('.st-key-prompt_tokens');
    const mine = said.getBoundingClientRect(), shown = bar.getBoundingClientRect().height;
    const under = [...bar.querySelectorAll('textarea, button, p')].filter(e => !said.contains(e)).filter(e => {
        const its = e.getBoundingClientRect();
        return its.bottom > mine.top && its.top < mine.bottom && its.right > mine.left && its.left < mine.right;
    }).map(e => e.outerHTML.slice(0, 80));
    said.parentElement.style.display = 'none';
    const without = bar.getBoundingClientRect().height;
    said.parentElement.style.display = '';
    return {shown, without, left: mine.left, right: mine.right, under};
}"""


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
@pytest.mark.parametrize("link", [{"prompt": PROMPT}, LINK], ids=["no edits", "three edits"])
def test_the_number_of_tokens_takes_no_height_and_covers_nothing(visit, width, height, link):
    tab = visit(width=width, height=height, **link)
    expect(tab.box).to_have_value(PROMPT)
    expect(tab.page.get_by_role("button", name="Undo")).to_be_visible()
    expect(tab.page.locator(".st-key-prompt_tokens")).to_have_css("padding-left", re.compile(r"^[1-9]"))  # styled
    found = tab.page.evaluate(_HEIGHTS)
    tab.shot(f"strip-tokens-{width}-{len(link)}")
    assert found["shown"] == found["without"] and not found["under"], found
    assert 0 < found["left"] < found["right"] < width, found
    tab.nothing_complains()
