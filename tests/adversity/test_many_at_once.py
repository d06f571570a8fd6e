"""Eight visitors at once without a pause: every number is what it would have been alone, and nothing is left over."""

import gc
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.adversity.report import note
from tests.adversity.requests import KINDS, drawn, same

VISITORS = 8
#: The largest growth of memory between an early reading and the last one.
GROWTH = 1.05


def memory() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


@pytest.mark.parametrize(
    ("each", "different"),
    [(12, 24), pytest.param(1000, 400, marks=[pytest.mark.soak, pytest.mark.timeout(0)], id="long")],
)
def test_every_number_is_what_it_would_have_been_alone(tiny, each, different):
    requests = [drawn(seed) for seed in range(different)]
    alone = [request(tiny) for request in requests]
    start, wrong, readings = threading.Barrier(VISITORS), [], []
    parts = 10 if each >= 100 else 2

    def visit(number, part):
        chance = random.Random(f"{number} {part}")
        start.wait()
        for _ in range(each // parts):
            chosen = chance.randrange(different)
            if not same(requests[chosen](tiny), alone[chosen]):
                wrong.append(chosen)

    began = time.monotonic()
    with ThreadPoolExecutor(VISITORS) as pool:  # torch keeps working memory for a thread: the same eight all along
        threads = 0
        for part in range(parts):
            list(pool.map(visit, range(VISITORS), [part] * VISITORS))
            readings.append(memory())
            threads = threads or psutil.Process().num_threads()
        assert psutil.Process().num_threads() <= threads, "threads that nobody ended"
    seconds = time.monotonic() - began
    # The first part is where caches fill.
    early, last = readings[1 if parts > 2 else 0], readings[-1]
    if each >= 100:
        note(
            "Engine: sessions at once, every value against the one computed alone",
            f"{VISITORS} × {parts * (each // parts)} requests of {len(KINDS)} kinds, {different} different ones",
            len(wrong),
            seconds,
            memory=f"{early / 2**20:.0f} → {last / 2**20:.0f} MiB ({last / early - 1:+.1%})",
            threads=f"{threads} → {psutil.Process().num_threads()}",
        )
    assert not wrong, f"requests {sorted(set(wrong))} gave other numbers"
    assert last <= GROWTH * early, readings
