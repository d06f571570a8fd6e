"""Visitors of a served page, all at once: every score shown is the engine's, and nothing piles up meanwhile."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product

import psutil
import pytest

from core import Edits, load
from tests.adversity.page_client import Visitor
from tests.adversity.report import note
from tests.browser.server import tiny_server
from tests.oracles import PROMPTS
from tests.waiting import until

#: The largest growth of the server's memory between an early reading and the last one.
GROWTH = 1.05
EDITS = ("", "2-3", "2-3,2-4,3-4", "1-1=4@bos", "2-7=2", "direction", "3-30=6@last,1-9")
PAGES = ("", "hydra", "bos")
#: Half the last digit that is shown, and what rounding in another order may add.
CLOSE = 0.0051


@pytest.fixture
def address(page_spec, tmp_path):
    with tiny_server(tmp_path, page_spec) as found:
        yield found


def server_at(address: str) -> psutil.Process:
    port = int(address.rpartition(":")[2])
    return next(
        process
        for process in psutil.Process().children(recursive=True)
        if any(c.laddr.port == port and c.status == "LISTEN" for c in process.net_connections("tcp"))
    )


def expected(engine) -> dict[tuple[str, str], list[float]]:
    """(prompt, edits) → the scores that a page must show."""
    found = {}
    for prompt, edits in product(PROMPTS, EDITS):
        sets = [Edits(), *([Edits.from_text(edits, engine.direction())] if edits else [])]
        found[prompt, edits] = engine.measure(prompt, sets).refusal_score[0].tolist()
    return found


@pytest.mark.parametrize(
    ("visitors", "each", "parts"),
    [(4, 2, 1), pytest.param(8, 1000, 20, marks=[pytest.mark.soak, pytest.mark.timeout(0)], id="long")],
)
def test_every_score_shown_is_the_engines(page_spec, address, visitors, each, parts):
    right = expected(load(page_spec, device="cpu"))
    server, wrong, done, tries = server_at(address), [], [], each // parts

    def visit(number: int, part: int) -> None:
        chance = random.Random(f"{number} {part}")
        with Visitor(address) as visitor:
            for step in range(tries):
                prompt, edits = chance.choice(PROMPTS), chance.choice(EDITS)
                if step and chance.random() < 0.5:
                    edits = visitor.query.get("edits", "")
                    visitor.type_prompt(prompt)
                else:
                    link = {"prompt": prompt} | ({"edits": edits} if edits else {})
                    visitor.open(chance.choice(PAGES), **link)
                shown, score = visitor.scores, right[prompt, edits]
                if len(shown) != len(score) or any(abs(a - b) > CLOSE for a, b in zip(shown, score, strict=True)):
                    wrong.append((visitor.page, prompt, edits, shown, score))
                wrong.extend(visitor.exceptions)
                done.append(step)

    begin, readings, threads = time.monotonic(), [], []
    for part in range(parts):
        with ThreadPoolExecutor(visitors) as pool:
            list(pool.map(partial(visit, part=part), range(visitors)))
        readings.append(server.memory_info().rss)
        threads.append(server.num_threads())
        early = readings[min(1, part)]  # the first part is where caches fill
        if parts > 1:  # after each part, so that a run that is broken off has said how far it came
            note(
                "Pages: visitors at once over websockets, every score shown against the engine's",
                f"{visitors} × {tries * (part + 1)} visits and prompts on Audit, Hydra and BOS",
                len(wrong),
                time.monotonic() - begin,
                memory=f"{early / 2**20:.0f} → {readings[-1] / 2**20:.0f} MiB ({readings[-1] / early - 1:+.1%})",
                threads=f"{threads[0]} → {threads[-1]}",
            )
    assert not wrong, wrong[:5]
    assert len(done) == visitors * tries * parts
    assert readings[-1] <= GROWTH * early, readings
    until(lambda: server.num_threads() <= threads[0], 30)
