"""Many machines: what the driver costs, measured, and where more workers stop helping, simulated.

    python -m benchmarks.scale                               # simulation over the times of the shipped example run
    python -m benchmarks.scale --overhead demo --prompts 32  # a run with two Ray workers; CPU seconds of driver and workers

The simulation takes what was measured: seconds of every group of a real run (from the times at which its rows were
written), bytes of each group's message, and the driver's seconds a group (reading the message and writing to the store,
measured here). It plays the scheduler of `core/scale/crew.py` with them. Knows: times. Does not know: models.
"""

from __future__ import annotations

import argparse
import heapq
import math
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from core.discovery.ledger import Row, from_json
from core.discovery.runner import phases_of
from core.discovery.settings import Settings
from core.scale.rows import from_table, to_table
from core.text.json_text import json_value

FILE = Path(__file__).resolve().parents[1] / "assets" / "demo" / "example_run.json"
#: As in core/scale/pool.py and crew.py.
AT_ONCE, AHEAD = 2, 4
#: Rows of one group are written together; groups are further apart than this.
GAP = 0.1


class Step(NamedTuple):
    """What was measured of one step. seconds: of each group, in order; size: prompts of a full group; share: prompts of
    the step for each harmful prompt of the run; kilobytes: of one prompt's message."""

    seconds: list[float]
    size: int
    share: float
    kilobytes: float


def measured(path: Path) -> tuple[Settings, dict[str, Step], list[list[Row]]]:
    """A run's settings, its steps and its groups' rows, from a file of a run."""
    found = json_value(path.read_text())
    settings = Settings.from_json(found["runs"][0]["settings"])
    rows = sorted(found["run_rows"], key=lambda row: row["made_at"])
    times = [datetime.fromisoformat(row["made_at"]).timestamp() for row in rows]
    groups: list[tuple[str, float, list[Row]]] = []
    for row, at in zip(rows, times, strict=True):
        made = Row(row["stage"], row["item"], from_json(row["value"]), row["error"])
        if groups and groups[-1][0] == row["stage"] and at - groups[-1][1] < GAP:
            groups[-1] = (row["stage"], at, [*groups[-1][2], made])
        else:
            groups.append((row["stage"], at, [made]))
    harmful = len({row["item"] for row in rows if row["stage"] == "screen" and row["item"].startswith("harmful")})
    steps: dict[str, Step] = {}
    by_step: dict[str, list[tuple[float, list[Row]]]] = defaultdict(list)
    for before, (stage, at, of) in zip([None, *groups[:-1]], groups, strict=True):
        if before is not None:  # when the first group began is not known
            by_step[stage].append((at - before[1], of))
    for stage, several in by_step.items():
        size = max(len(of) for _, of in several)
        total = sum(len(of) for name, _, of in groups if name == stage)
        weight = sum(_bytes(of) for _, of in several) / sum(len(of) for _, of in several) / 1e3
        # A group that was not full took as much less.
        steps[stage] = Step([s * size / len(of) for s, of in several], size, total / harmful, weight)
    return settings, steps, [of for _, _, of in groups]


def _bytes(rows: list[Row]) -> int:
    """Of a group's message: its Arrow table as Ray sends it."""
    sink = pa.BufferOutputStream()
    table = to_table(rows)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().size


def driver_seconds(groups: list[list[Row]], round_trip: float) -> float:
    """Seconds of the driver for one group: Ray's call, the message read, its rows in the store."""
    from cache.store.database import Store
    from cache.store.runs import StoreLedger

    with tempfile.TemporaryDirectory() as folder:
        ledger = StoreLedger(Store(Path(folder) / "times.duckdb"), "a run")
        tables, begun = [to_table(rows) for rows in groups], time.process_time()
        for table in tables:
            ledger.append(from_table(table))
        return round_trip + (time.process_time() - begun) / len(groups)


class _Phase:
    """One phase as the driver schedules it. seconds: of its groups, in order."""

    def __init__(self, seconds: list[float], workers: int, now: float) -> None:
        self.seconds, self.free_driver, self.first = seconds, now, 0
        self.waiting, self.out = deque(range(len(seconds))), [deque[int]() for _ in range(workers)]
        self.events: list[tuple[float, int]] = []  # (when a worker ends the group it is at, the worker)
        self.idle = {count: set(range(workers) if count == 0 else ()) for count in range(AT_ONCE + 1)}

    def hand_out(self, at: float) -> None:
        """Groups to the workers that have fewest, up to the window's end."""
        while self.waiting and self.waiting[0] < self.first + AHEAD * len(self.out):
            free = next((some for count, some in self.idle.items() if some and count < AT_ONCE), None)
            if free is None:
                return
            worker = min(free)
            self._move(worker, lambda worker=worker: self.out[worker].append(self.waiting.popleft()))
            if len(self.out[worker]) == 1:
                self._begin(worker, at)

    def play(self, driver: float) -> float:
        """When the phase is over."""
        self.hand_out(self.free_driver)
        done = set[int]()
        while self.events:
            ended, worker = heapq.heappop(self.events)
            self._move(worker, lambda worker=worker: done.add(self.out[worker].popleft()))
            if self.out[worker]:
                self._begin(worker, ended)
            self.free_driver = max(self.free_driver, ended) + driver
            while self.first in done:
                self.first += 1
            self.hand_out(self.free_driver)
        return self.free_driver

    def _begin(self, worker: int, at: float) -> None:
        heapq.heappush(self.events, (at + self.seconds[self.out[worker][0]], worker))

    def _move(self, worker: int, change: Callable[[], object]) -> None:
        self.idle[len(self.out[worker])].discard(worker)
        change()
        self.idle[len(self.out[worker])].add(worker)


def simulate(phases: list[list[float]], workers: int, driver: float) -> tuple[float, float]:
    """Seconds of a run whose phases have groups of these seconds, and how long of it the driver was busy."""
    now = 0.0
    for seconds in phases:
        now = _Phase(seconds, workers, now).play(driver)
    return now, driver * sum(map(len, phases))


def table(prompts: int, path: Path, round_trip: float, start: float) -> None:
    """Print the simulation."""
    settings, steps, groups = measured(path)
    driver = driver_seconds(groups, round_trip)
    random, phases, megabytes = np.random.default_rng(0), list[list[float]](), 0.0
    for phase in phases_of(settings):
        of_phase: list[float] = []
        for step in phase:
            if (found := steps.get(step.name)) is not None:
                items = prompts * found.share
                of_phase += random.choice(found.seconds, math.ceil(items / found.size)).tolist()
                megabytes += items * found.kilobytes / 1e3
        phases.append(of_phase)
    groups_in_all, alone = sum(map(len, phases)), sum(map(sum, phases))
    print(
        f"{prompts:,} harmful prompts, stages {settings.stages}: {groups_in_all:,} groups of {alone / groups_in_all:.1f} s"
    )
    print(
        f"(longest {max(map(max, phases)):.0f} s), {megabytes:.1f} MB of messages; driver {driver * 1e3:.1f} ms a group, workers ready after {start:.0f} s"
    )
    print(
        "\n| workers | hours | times as fast | of the workers' time used | driver busy |\n| ---: | ---: | ---: | ---: | ---: |"
    )
    for workers in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        took, busy = simulate(phases, workers, driver)
        took += start
        print(
            f"| {workers} | {took / 3600:.2f} | {alone / took:.1f} | {alone / took / workers:.0%} | {busy / took:.1%} |"
        )


def overhead(model: str, prompts: int) -> None:
    """Print the CPU seconds of driver, Ray and two workers over a run of stages 1 and 2. CPU seconds, because another
    process on the machine changes how long a run takes, and hardly what it costs."""
    import psutil

    from cache.store.database import Store
    from cache.store.runs import Runs
    from core import load
    from core.discovery.context import Inputs
    from core.discovery.runner import run_steps
    from core.prompts.shipped import held_out, read_shipped
    from core.scale.cluster import LOCAL, Size
    from core.scale.search import ray_crew
    from pages.discover.sizes import FIRST_LOOK, SIZES

    engine = load(model, "cpu")
    shipped = read_shipped(engine.spec.prompts)
    harmful, benign = (tuple(held_out(shipped, kind)[:prompts]) for kind in ("harmful", "benign"))
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(Store(Path(folder) / "runs.duckdb"))
        run = runs.create(engine, Inputs(harmful, benign), SIZES[FIRST_LOOK].settings)
        work = runs.work(run, engine)
        with ray_crew(work, LOCAL, Size(2, 1)) as crew:
            while len(crew.pool.ready()) < 2:
                crew.pool.hear(0.5)
            mine, own = psutil.Process(), {one.pid for one in crew.pool.ready()}

            def seconds() -> tuple[float, float, float]:
                spent = {p.pid: sum(p.cpu_times()[:2]) for p in mine.children(recursive=True)}
                workers = sum(spent.get(pid, 0.0) for pid in own)
                return sum(mine.cpu_times()[:2]), workers, sum(spent.values()) - workers

            before, begun = seconds(), time.monotonic()
            run_steps(work, crew=crew, progress=lambda at: print(at.title, at.done, "of", at.of, flush=True))
            driver, workers, ray = (b - a for a, b in zip(before, seconds(), strict=True))
            print(
                f"\n{time.monotonic() - begun:.0f} s; CPU seconds: workers {workers:.1f}, driver {driver:.2f}, Ray's own processes {ray:.2f}"
            )
            print(
                f"driver: {driver / workers:.2%} of the workers' time; with Ray's own processes {(driver + ray) / workers:.2%}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=FILE, help="a file of a run whose group times are used")
    parser.add_argument("--prompts", type=int, default=5000, help="harmful prompts")
    parser.add_argument("--round-trip", type=float, default=0.002, help="seconds of one call of a Ray worker, measured")
    parser.add_argument("--start", type=float, default=20.0, help="seconds until a worker has loaded the model")
    parser.add_argument("--overhead", metavar="MODEL", help="measure a run with two workers instead")
    options = parser.parse_args()
    if options.overhead:
        overhead(options.overhead, options.prompts)
    else:
        table(options.prompts, options.file, options.round_trip, options.start)


if __name__ == "__main__":
    main()
