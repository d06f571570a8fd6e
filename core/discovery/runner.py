"""Going through a run step by step: missing steps are computed, stored, and never computed again.

Start at `run_steps`: calling it again resumes a run. Knows: the order of the steps, which of them need which, and what
has a row already. Does not know: what a step computes, who carries a group out (`groups.py`, `core.scale`), or where
rows are kept. Steps that do not need one another are a phase. Between two phases everybody must meet: Stage 2 prunes
together prompts whose pool is the same, so it needs every prompt's pool, and the factorization machine needs every
prompt. Within a phase, groups depend on nothing but earlier phases. A group is done whole and written whole, in one
order, so a run that was killed and resumed, or carried out by many, has the rows of an uninterrupted one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple

from core.discovery import answer_lengths, control_steps, cosine_steps, cost_steps, fixed_steps, recovery_step, steps
from core.discovery.context import Work
from core.discovery.groups import Checkpoint, Crew, Group, Step, here
from core.discovery.ledger import fresh
from core.discovery.settings import Settings

#: What reads every step before it.
_EVERYTHING = (
    "screen",
    "candidates",
    "least_tokens",
    "pruning",
    "inert",
    "random",
    "fixed",
    "controls",
    "machine",
    "interactions",
    "probe",
)

#: In the order of a run, phase by phase.
STEPS = (
    # which prompts are used
    Step("screen", "Screening prompts", "Dataset", 0, (), steps.screen_groups, steps.do_screen),
    # what is known of each prompt alone
    Step("candidates", "Stage 1: candidates", "Stage 1", 1, ("screen",), steps.candidate_groups, steps.do_candidates),
    Step(
        "direction",
        "Refusal direction",
        "Deriving a Refusal Steering Vector",
        1,
        ("screen",),
        control_steps.wide_refused_groups,
        control_steps.do_direction,
    ),
    Step(
        "lengths", "Answer length", "Dataset", 1, ("screen",), answer_lengths.length_groups, answer_lengths.do_lengths
    ),
    Step(
        "cosines",
        "Cosine by layer",
        "Preliminary Analysis",
        1,
        ("screen",),
        cosine_steps.cosine_groups,
        cosine_steps.do_cosines,
    ),
    Step(
        "least_tokens",
        "Features active on many tokens",
        "Causal feature finding using alternate methods",
        1,
        ("screen",),
        control_steps.refused_groups,
        control_steps.do_least_tokens,
    ),
    # Reads no row; it stands here so that a run begins with its prompts and not with a download.
    Step(
        "texts", "Public texts", "Downstream Performance", 2, ("screen",), cost_steps.texts_groups, cost_steps.do_texts
    ),
    # prompts with one pool together
    Step("pruning", "Stage 2: pruning", "Stage 2", 2, ("screen", "candidates"), steps.pruning_groups, steps.do_pruning),
    # what the minimal sets are, and the machines over all prompts
    Step(
        "inert",
        "Inert and redundant features",
        "Redundant Features",
        2,
        ("pruning",),
        control_steps.critical_groups,
        control_steps.do_inert,
    ),
    Step(
        "random",
        "Random active features",
        "Comparison with random features",
        2,
        ("pruning",),
        control_steps.wide_critical_groups,
        control_steps.do_random,
    ),
    Step(
        "fixed",
        "Sets at a K and τ fixed beforehand",
        "Stage 2",
        2,
        ("screen", "candidates", "pruning"),
        fixed_steps.fixed_groups,
        fixed_steps.do_fixed,
    ),
    Step(
        "machine",
        "Stage 3: factorization machines",
        "Stage 3",
        3,
        ("screen", "pruning"),
        steps.machine_groups,
        steps.do_machine,
    ),
    Step(
        "cost",
        "Cross-entropy",
        "Downstream Performance",
        2,
        ("screen", "pruning", "texts"),
        cost_steps.cost_groups,
        cost_steps.do_cost,
    ),
    # what needs those
    Step(
        "controls",
        "Controls matched by norm",
        "Comparison with random features",
        2,
        ("screen", "pruning", "fixed"),
        fixed_steps.control_groups,
        fixed_steps.do_controls,
    ),
    Step(
        "interactions",
        "Stage 3: interactions",
        "Stage 3",
        3,
        ("screen", "inert", "machine"),
        control_steps.refused_groups,
        control_steps.do_interactions,
    ),
    Step(
        "probe",
        "Linear probe",
        "Factorization Machines vs. Linear Probe",
        3,
        ("screen", "machine"),
        control_steps.wide_refused_groups,
        control_steps.do_probe,
    ),
    # what needs everything
    Step("recovery", "Recovery", "", 1, _EVERYTHING, recovery_step.recovery_groups, recovery_step.do_recovery),
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


def steps_of(settings: Settings) -> list[Step]:
    """The steps these settings ask for, in order."""
    return [step for step in STEPS if step.paper_stage <= max(settings.stages)]


def phases_of(settings: Settings) -> list[list[Step]]:
    """The same in phases: all groups of a phase can be carried out at once, when the phases before it are done."""
    level: dict[str, int] = {}
    for step in steps_of(settings):
        level[step.name] = 1 + max((level[name] for name in step.needs if name in level), default=-1)
    return [[step for step in steps_of(settings) if level[step.name] == n] for n in range(1 + max(level.values()))]


def groups_of(work: Work, phase: Sequence[Step]) -> list[Group]:
    """Every group of a phase, in the order of its rows. The phases before it must be done."""
    return [Group(step, n, tuple(items)) for step in phase for n, items in enumerate(step.groups(work))]


def run_steps(
    work: Work,
    checkpoint: Checkpoint = lambda: None,
    progress: Callable[[RunProgress], None] = lambda where: None,
    crew: Crew = here,
) -> None:
    """Do everything that has no row yet; called again on the same rows, it resumes the run.

    A prompt that fails becomes a row with its error, and the run goes on. crew: who carries out the groups. Raises
    whatever `checkpoint` and `crew` raise, StoreError where rows cannot be kept, and AssetError where files of the
    model are gone or damaged.
    """
    phases, begun = phases_of(work.settings), 0
    steps_in_all = sum(map(len, phases))
    for phase in phases:
        groups = groups_of(work, phase)
        missing = [one for one in groups if not _is_done(work, one)]
        with closing(crew(work, missing, checkpoint)) as found:
            for step in phase:
                mine, lacking = (sum(len(g.items) for g in part if g.step is step) for part in (groups, missing))
                bar = _StepBar(step, mine, mine - lacking, begun, steps_in_all, progress)
                for group in missing:
                    if group.step is step:
                        bar.tell()
                        # A group may be half there already, from when its size was another.
                        work.ledger.append(fresh(work.ledger, next(found)))
                        bar.count(len(group.items))
                begun += 1
                bar.end()


def is_complete(work: Work) -> bool:
    """Whether everything has its row, so that going on would compute nothing."""
    return all(_is_done(work, group) for phase in phases_of(work.settings) for group in groups_of(work, phase))


def _is_done(work: Work, group: Group) -> bool:
    rows = work.ledger.read(group.step.name)
    return all(item in rows for item in group.items)


class _StepBar:
    """How far one step is, told after each group. before: steps of the run that are done."""

    def __init__(
        self, step: Step, of: int, done: int, before: int, steps: int, progress: Callable[[RunProgress], None]
    ) -> None:
        self._step, self._of, self._done, self._progress = step, of, done, progress
        self._before, self._steps, self._fresh, self._begun = before, steps, 0, time.monotonic()

    def count(self, items: int) -> None:
        self._done, self._fresh = self._done + items, self._fresh + items

    def tell(self) -> None:
        left = (time.monotonic() - self._begun) / self._fresh * (self._of - self._done) if self._fresh else None
        self._send(self._before, left)

    def end(self) -> None:
        self._send(self._before + 1, 0.0)

    def _send(self, before: int, left: float | None) -> None:
        name, title = self._step.name, self._step.title
        self._progress(RunProgress(name, title, self._done, self._of, before, self._steps, left))
