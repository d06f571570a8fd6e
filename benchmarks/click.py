"""Click to new score, in a real browser: `python -m benchmarks.click` prints JSON; `make bench` runs it too.

Each click switches one more feature of the active set off or on, so every score is a new one. Timed in the browser,
from the click to the moment the new score stands on the page; the engine's share is what the page itself says it took.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.timing import row, write

CLICKS = 20
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


def measure(clicks: int = CLICKS) -> dict[str, Any]:
    """milliseconds: click to score, and engine: its share, one number a click."""
    from playwright.sync_api import sync_playwright

    from tests.browser.audit_page import AuditPage
    from tests.browser.server import CHROMIUM, running_server

    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder)) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        tab = AuditPage(browser.new_page(viewport={"width": 1280, "height": 900}), address).open(prompt=PROMPT)
        tab.click("set_top")
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
    }


def main() -> dict[str, Any]:
    from tests.browser.server import missing

    if reason := missing():
        print(f"Click to new score: not measured, {reason}.")
        return {}
    found = measure()
    print(f"Click to new score in a real browser, {found['clicks']} clicks")
    row("click to new score, median", f"{found['median']:.0f} ms")
    row("the engine's share, median", f"{found['engine_median']:.0f} ms")
    write("click", found)
    return found


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
