"""Going through a run step by step: missing steps are computed, stored, and never computed again.

Start at `run_steps`: calling it again resumes a run. Knows: the order of the steps, and what to do when memory runs
out, a prompt fails, or somebody asks to stop. Does not know: what a step computes, or where rows are kept. Prompts go
in groups that depend on nothing but earlier steps. A group is done whole and written whole, so a run that was killed
and resumed computes every group exactly as an uninterrupted one does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch

from core.discovery import answer_lengths, control_steps, cosine_steps, cost_steps, fixed_steps, recovery_step, steps
from core.discovery.context import Work
from core.discovery.ledger import Row
from core.errors import AssetError, HydrascopeError, StoreError
from core.forward.token_budget import at_most

#: Below so many tokens a forward pass, less memory is not the answer.
_FEWEST_TOKENS = 32
_log = logging.getLogger("hydrascope.discovery")


class Step(NamedTuple):
    """One kind of row. paper_stage: the paper's stage it belongs to, 0 for screening. section: its place in the
    paper."""

    name: str
    title: str
    section: str
    paper_stage: int
    groups: Callable[[Work], list[list[str]]]
    do: Callable[[Work, Sequence[str]], list[dict[str, Any]]]


STEPS = (
    Step("screen", "Screening prompts", "Dataset", 0, steps.screen_groups, steps.do_screen),
    Step("candidates", "Stage 1: candidates", "Stage 1", 1, steps.candidate_groups, steps.do_candidates),
    Step(
        "direction",
        "Refusal direction",
        "Deriving a Refusal Steering Vector",
        1,
        control_steps.wide_refused_groups,
        control_steps.do_direction,
    ),
    Step("lengths", "Answer length", "Dataset", 1, answer_lengths.length_groups, answer_lengths.do_lengths),
    Step("cosines", "Cosine by layer", "Preliminary Analysis", 1, cosine_steps.cosine_groups, cosine_steps.do_cosines),
    Step(
        "least_tokens",
        "Features active on many tokens",
        "Causal feature finding using alternate methods",
        1,
        control_steps.refused_groups,
        control_steps.do_least_tokens,
    ),
    Step("pruning", "Stage 2: pruning", "Stage 2", 2, steps.pruning_groups, steps.do_pruning),
    Step(
        "inert",
        "Inert and redundant features",
        "Redundant Features",
        2,
        control_steps.critical_groups,
        control_steps.do_inert,
    ),
    Step(
        "random",
        "Random active features",
        "Comparison with random features",
        2,
        control_steps.wide_critical_groups,
        control_steps.do_random,
    ),
    Step("fixed", "Sets at a K and τ fixed beforehand", "Stage 2", 2, fixed_steps.fixed_groups, fixed_steps.do_fixed),
    Step(
        "controls",
        "Controls matched by norm",
        "Comparison with random features",
        2,
        fixed_steps.control_groups,
        fixed_steps.do_controls,
    ),
    Step("machine", "Stage 3: factorization machines", "Stage 3", 3, steps.machine_groups, steps.do_machine),
    Step(
        "interactions",
        "Stage 3: interactions",
        "Stage 3",
        3,
        control_steps.refused_groups,
        control_steps.do_interactions,
    ),
    Step(
        "probe",
        "Linear probe",
        "Factorization Machines vs. Linear Probe",
        3,
        control_steps.wide_refused_groups,
        control_steps.do_probe,
    ),
    Step("texts", "Public texts", "Downstream Performance", 2, cost_steps.texts_groups, cost_steps.do_texts),
    Step("cost", "Cross-entropy", "Downstream Performance", 2, cost_steps.cost_groups, cost_steps.do_cost),
    Step("recovery", "Recovery", "", 1, recovery_step.recovery_groups, recovery_step.do_recovery),
)


class RunProgress(NamedTuple):
    """Where a run is. done and of: items of this step; steps_done and steps: of the run. left: seconds of this step
    still to go, by what its items took so far; None until one is done."""

    step: str
    title: str
    done: int
    of: int
    steps_done: int
    steps: int
    left: float | None


class Checkpoint(Protocol):
    """Asked between groups: returns at once to go on, waits while paused, raises to stop."""

    def __call__(self) -> None: ...


def steps_of(work: Work) -> list[Step]:
    """The steps this run's settings ask for, in order."""
    return [step for step in STEPS if step.paper_stage <= max(work.settings.stages)]


def run_steps(
    work: Work, checkpoint: Checkpoint = lambda: None, progress: Callable[[RunProgress], None] = lambda where: None
) -> None:
    """Do everything that has no row yet; called again on the same rows, it resumes the run.

    A prompt that fails becomes a row with its error, and the run goes on. Raises whatever `checkpoint` raises,
    StoreError where rows cannot be kept, and AssetError where files of the model are gone or damaged.
    """
    of_run = steps_of(work)
    for number, step in enumerate(of_run):
        groups, rows = step.groups(work), work.ledger.read(step.name)
        of, done, fresh, begun = sum(map(len, groups)), 0, 0, time.monotonic()
        for group in groups:
            if not all(item in rows for item in group):
                left = (time.monotonic() - begun) / fresh * (of - done) if fresh else None
                progress(RunProgress(step.name, step.title, done, of, number, len(of_run), left))
                checkpoint()
                found = _group(work, step, group)
                work.ledger.append([row for row in found if row.item not in rows])
                fresh += len(group)
            done += len(group)
        progress(RunProgress(step.name, step.title, done, of, number + 1, len(of_run), 0.0))


def _group(work: Work, step: Step, group: Sequence[str]) -> list[Row]:
    """A group's rows. One that fails is done prompt by prompt, so that only what is at fault is a row with an error."""
    try:
        values = _with_less_memory(work, step, group)
        return [Row(step.name, item, value) for item, value in zip(group, values, strict=True)]
    except (StoreError, AssetError):  # no prompt's fault: the disk is full, or files are gone or damaged
        raise
    except Exception as error:
        if len(group) > 1:
            return [row for item in group for row in _group(work, step, [item])]
        if not isinstance(error, HydrascopeError):
            _log.exception("%s failed for %s", step.name, group[0])
        sentence = str(error) if isinstance(error, HydrascopeError) else f"{type(error).__name__}: {error}"
        return [Row(step.name, group[0], {}, sentence[:500])]


def _with_less_memory(work: Work, step: Step, group: Sequence[str]) -> list[dict[str, Any]]:
    """The step's work, with half the tokens a forward pass whenever memory runs out; each halving is a row."""
    tokens = work.settings.tokens_per_forward
    while True:
        try:
            with at_most(tokens):
                return step.do(work, group)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error) or tokens // 2 < _FEWEST_TOKENS:
                raise
            tokens //= 2
            _log.warning("Out of memory in %s; going on with %d tokens a forward pass", step.name, tokens)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        item = f"{step.name}/{group[0]}/{tokens}"
        if item not in work.ledger.read("memory"):
            work.ledger.append([Row("memory", item, {"tokens_per_forward": tokens})])


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
