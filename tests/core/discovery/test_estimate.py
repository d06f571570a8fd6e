"""The estimate against what a run really reads and writes: counted, because seconds are a machine's own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from core.answers.likelihood import Reference
from core.discovery import runner
from core.discovery.context import Inputs, Work
from core.discovery.estimate import Amount, Speed, estimate, full_steps, speed
from core.discovery.ledger import Row
from core.discovery.settings import Settings
from core.forward.token_budget import answers_together
from tests.judges import judging
from tests.small_search import INPUTS, SETTINGS, verdict_of

#: A run of a dozen prompts a side, as a first look has; the tiny SAEs have 48 features a layer.
SMALL = replace(
    SETTINGS, stages=(1, 2), tokens=12, k_steps=(1, 2, 5, 9), k_beside=(), length_prompts=0, cost_sets=0, public_texts=0
)


class Kept:
    """Rows in memory, every prompt of which was kept: the estimate is of prompts that are refused or answered."""

    def __init__(self, inputs: Inputs) -> None:
        sides = (("harmful", inputs.harmful), ("benign", inputs.benign))
        items = [f"{kind}/{n:04d}" for kind, texts in sides for n in range(len(texts))]
        self.rows = {"screen": {item: Row("screen", item, {"kept": True, "reason": ""}) for item in items}}

    def read(self, stage):
        return dict(self.rows.get(stage, {}))

    def append(self, rows):
        for one in rows:
            self.rows.setdefault(one.stage, {})[one.item] = one


def carried_out(engine, inputs, settings, judge):
    """step → what it read and wrote. A pass is counted where it is widest: behind the last block, a row an edit set.

    A step of writing counts as the estimate has it: in steps of a full batch of answers.
    """
    found, now = Counter(), [""]
    longest = max(len(engine.prompt(text)) for text in (*inputs.harmful, *inputs.benign))
    size = answers_together(longest + settings.tokens, settings.tokens_per_forward)

    def count(block, arguments, output):
        hidden = output[0] if isinstance(output, tuple) else output
        rows, width = hidden.shape[:2]
        found[now[0], "steps" if width == 1 else "tokens"] += full_steps(rows, size) if width == 1 else rows * width

    handle = engine.model.model.layers[-1].register_forward_hook(count)
    try:
        work = Work(engine, inputs, settings, Kept(inputs), judge)
        runner.run_steps(work, progress=lambda where: now.__setitem__(0, where.step))
    finally:
        handle.remove()
    return found


def judge_that_reads(engine):
    """`verdict_of`, and the model is asked about every answer that is no refusal, as by `rules`. A random
    model's babble is degenerate by its text alone, so that `rules` itself would ask about nothing."""
    reference, usual = Reference(engine.runtime), judging(verdict_of)

    def decisions(prompts, answers, ended):
        found = usual.decisions(prompts, answers, ended)
        asked = [n for n, one in enumerate(found) if one.verdict != "refused"]
        reference.measure([prompts[n] for n in asked], [answers[n] for n in asked])
        return found

    return replace(usual, decisions=decisions)


@pytest.mark.parametrize(
    ("settings", "asks"),
    [(SMALL, False), (SMALL, True), (replace(SETTINGS, stages=(1, 2, 3)), False)],
    ids=["first look", "first look with a judge that asks the model", "all stages"],
)
def test_what_a_run_reads_and_writes_is_within_a_factor_of_two_of_the_estimate(tiny, settings, asks):
    inputs = Inputs(INPUTS.harmful[:12], INPUTS.benign[10:22], INPUTS.plain, INPUTS.references)
    expected = estimate(tiny, inputs, settings, asks_the_model=asks)
    found = carried_out(tiny, inputs, settings, judge_that_reads(tiny) if asks else judging(verdict_of))
    for kind in ("tokens", "steps"):
        ran = sum(number for (_, what), number in found.items() if what == kind)
        middle = (getattr(expected.low, kind) * getattr(expected.high, kind)) ** 0.5
        print(kind, getattr(expected.low, kind), ran, getattr(expected.high, kind), middle / ran)
        assert middle / 2 < ran < 2 * middle


def test_a_larger_run_is_more_work_and_a_slower_machine_takes_longer(tiny):
    inputs = Inputs(INPUTS.harmful[:12], INPUTS.benign[10:22], INPUTS.plain, INPUTS.references)
    small, whole = estimate(tiny, inputs, SMALL), estimate(tiny, inputs, Settings())
    assert small.low.tokens < small.high.tokens < whole.high.tokens and small.low.tokens < whole.low.tokens
    fast, slow = Speed(1000.0, 0.01), Speed(100.0, 0.1)
    for quick, long in zip(small.seconds(fast), small.seconds(slow), strict=True):
        assert long == pytest.approx(10 * quick)
    assert fast.seconds(Amount(2000.0, 50.0)) == pytest.approx(2.5)


def test_a_speed_is_measured_of_reading_and_of_writing(tiny):
    found = speed(tiny, INPUTS.harmful[:8], 512)
    assert found.tokens_per_second > 0 and 0 < found.seconds_per_step < 10
