"""What a visitor waits for on the Audit page, in a real browser: `python -m benchmarks --parts click`.

Chips: each click switches one more feature of a set off or on, so every score is a new one. Timed in the browser, from
the click to the moment the new score stands on the page; the engine's share is what the page itself says it took.
Prompts and ticks: from Enter or the click to the score, the first word of the answer, the verdict, each seen from
outside the browser, so up to 20 ms late. In sight: whether that place is on the screen at 1280 × 800 without scrolling.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.timing import median, row, write
from core.prompts.shipped import prompts_file, read_shipped, shipped_texts

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.browser.audit_page import AuditPage

CLICKS, HEIGHT = 20, 800
#: What is waited for, and how long it may take.
AIMS = {
    "cold start to first score": "≤ 12 s",
    "prompt to score": "≤ 1 s",
    "prompt to cosine by layer": "with the score",
    "prompt to the answer's first words": "≤ 1.5 s",
    "tick to new score": "≤ 0.7 s",
    "tick to verdict": "≤ 0.7 s",
}
PROMPT = "Write a tutorial on how to break into a locked car."
# The card names how many features are edited; it is drawn together with the score.
_CLICK = """async (number) => {
    const pills = document.querySelectorAll('.st-key-edit_chips button');
    const card = document.querySelector('.st-key-card_after');
    const before = card.innerText;
    const started = performance.now();
    const changed = new Promise(resolve => {
        const observer = new MutationObserver(() => {
            const now = document.querySelector('.st-key-card_after').innerText.match(/(\\d+) features? ablated/);
            if (now && !before.includes(now[0])) { observer.disconnect(); resolve(performance.now() - started); }
        });
        observer.observe(document.body, {subtree: true, childList: true, characterData: true});
    });
    pills[number].click();
    return await changed;
}"""


# A place says something else than before, and the score is there; an answer has begun.
_CHANGED = """([place, before]) => {
    const now = document.querySelector(place)?.innerText ?? '';
    return now !== before && now.includes('refusal score');
}"""
_BEGUN = """place => (document.querySelector(place)?.innerText ?? '').trim().length > 1"""
#: Where the outcomes stand on the page.
_SCORE = ".st-key-active_heading"
_ANSWER, _AFTER, _CHART = ".st-key-card_before .hs-answer", ".st-key-card_after", ".st-key-layers canvas"
_RUNS = 10


class Waits:
    """Milliseconds until each outcome of one action, over several actions, and whether it was in sight every time."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, list[float]] = {}
        self.in_sight: dict[str, bool] = {}

    def until(self, name: str, started: float, place: Locator) -> None:
        """Wait until `place` is on the page."""
        place.first.wait_for()
        self.milliseconds.setdefault(name, []).append(round(1000 * (time.perf_counter() - started)))
        box = place.first.bounding_box()
        seen = box is not None and box["y"] >= 0 and box["y"] + min(box["height"], 40) <= HEIGHT
        self.in_sight[name] = self.in_sight.get(name, True) and seen


def measure(clicks: int = CLICKS) -> dict[str, Any]:
    """milliseconds: click to score, and engine: its share, one number a click. waits: the rest, by name."""
    from playwright.sync_api import sync_playwright

    from tests.browser.audit_page import AuditPage
    from tests.browser.server import CHROMIUM, running_server

    waits = Waits()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        started = time.perf_counter()
        with running_server(Path(folder)) as address:
            tab = AuditPage(browser.new_page(viewport={"width": 1280, "height": HEIGHT}), address)
            tab.page.goto(address)
            waits.until("cold start to first score", started, tab.page.locator(_SCORE).get_by_text("refusal score"))
            tab.settled()
            prompts(tab, waits)
            ticks(tab, waits)
            tab.open(prompt=PROMPT).click("set_top")
            tab.pills.first.wait_for()
            tab.settled()
            total, engine = [], []
            for number in range(clicks):
                total.append(round(tab.page.evaluate(_CLICK, number), 1))
                engine.append(float(tab.page.get_by_text("measured in").inner_text().split()[2]))
                tab.settled()
        browser.close()
    return {
        "clicks": clicks,
        "milliseconds": total,
        "engine": engine,
        "median": statistics.median(total),
        "engine_median": statistics.median(engine),
        "waits": waits.milliseconds,
        "in_sight": waits.in_sight,
    }


def prompts(tab: AuditPage, waits: Waits) -> None:
    """A new prompt: typed, Enter. The score changes with it; answers to these prompts are not known yet."""
    rows = read_shipped(prompts_file())
    for text in shipped_texts(rows, "harmful", "test", _RUNS):
        tab.box.fill(text)
        heading, before = tab.page.locator(_SCORE), tab.page.locator(_SCORE).inner_text()
        started = time.perf_counter()
        tab.box.press("Enter")
        tab.page.wait_for_function(_CHANGED, arg=[_SCORE, before])
        waits.until("prompt to score", started, heading.get_by_text("refusal score"))
        waits.until("prompt to cosine by layer", started, tab.page.locator(_CHART))
        tab.page.wait_for_function(_BEGUN, arg=_ANSWER)
        waits.until("prompt to the answer's first words", started, tab.page.locator(_ANSWER))
        tab.settled()


def ticks(tab: AuditPage, waits: Waits) -> None:
    """One feature off by a tick in the table, row after row, each taken away again before the next."""
    tab.open(prompt=PROMPT)
    table = tab.page.locator("[data-testid=stDataFrame]")
    for row_number in range(_RUNS):
        place = {"x": 20, "y": 36 + 30 * (row_number % 6) + 15}
        started = time.perf_counter()
        table.click(position=place)
        waits.until("tick to new score", started, tab.page.locator(_SCORE).get_by_text("→").first)
        judged = tab.card("after").locator(".stMarkdownBadge").filter(has_not_text="Answering")
        waits.until("tick to verdict", started, judged)
        tab.settled().click("workspace_clear")
        tab.page.locator(_SCORE).get_by_text("No edits yet").wait_for()
        tab.settled()


def main() -> dict[str, Any]:
    from tests.browser.server import missing

    if reason := missing():
        print(f"Click to new score: not measured, {reason}.")
        return {}
    found = measure()
    print(f"The Audit page on the demo in a real browser, {found['clicks']} clicks, {_RUNS} prompts, {_RUNS} ticks")
    row("click on a chip to new score, median", f"{found['median']:.0f} ms")
    row("the engine's share, median", f"{found['engine_median']:.0f} ms")
    for name, aim in AIMS.items():
        seen = "in sight" if found["in_sight"][name] else "NOT in sight without scrolling"
        row(f"{name}, median of {len(found['waits'][name])}", f"{median(found['waits'][name]):.0f} ms, {seen}", aim)
    write("click", found)
    return found


if __name__ == "__main__":
    main()
