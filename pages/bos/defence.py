"""The form for an evaluation of the clamp under attack, and how far the evaluation is.

Knows: the form, and the job that carries an evaluation out. Does not know: how results are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from cache.jobs import defence as evaluations
from cache.jobs.queue import shared_queue
from cache.store.database import shared_store
from cache.store.defences import Defences
from core import Engine, InputError
from core.defence import ATTACKS, Evaluation
from core.edits.items import Sensor
from pages.bos import results, state, work
from pages.bos.state import Clamp
from pages.shared import references
from pages.shared.jobs import job_bar, watch
from pages.shared.judge_choice import choose_judge
from pages.shared.text import counted, duration, plain
from pages.shared.trouble import show_error, shown_as_sentences
from pages.shared.workspace.session import Request

ATTACK, GRID = "bos_attack", "bos_grid"
ACTIVE, DIRECTION = "the edits", "refusal direction ablated"
#: Prompts a group at first, and tokens of an answer that is judged.
USUAL, TOKENS = 12, 24
_KINDS = {"harmful": "Harmful, attacked", "benign": "Benign", "lookalike": "Look-alikes"}


@dataclass
class Slots:
    """Where `finish` draws: the button, what is under way, and an evaluation's figures. asked: what Run would run."""

    button: Any
    live: Any
    results: Any
    asked: Evaluation | None
    judge: str = ""


def section(engine: Engine, key: str, request: Request, clamp: Clamp | None, values: Sequence[float]) -> Slots:
    """Heading, form and slots; without a clamp, the slots for what was evaluated before. values: the usual ones."""
    st.subheader("As a defence", anchor="defence")
    st.caption(
        "How many refusals does the clamp restore under an attack, and what does it cost without one? Each value is "
        "compared with no clamp on the same prompts."
    )
    asked, judge = None, ""
    if clamp is not None:
        asked = _form(engine, request, clamp, values)
        judge = choose_judge("bos_judge")
    elif not _under_way():
        st.info("Choose features above, then evaluate the clamp.", icon=":material/lightbulb:")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        button = st.empty()
        if asked is not None:
            answers = len(asked.values) * sum(map(len, asked.prompts.values()))
            seconds = answers * work.seconds_a_prompt(engine, key, TOKENS)
            st.caption(
                f"{counted(answers, 'answer')}, about {duration(seconds)} on this machine. The prompts are shipped "
                "with the model and were not used to train it. More prompts give narrower intervals."
            )
    slots = Slots(button, st.empty(), st.container(key="bos_results"), asked, judge)
    _button(engine, slots)
    return slots


def finish(engine: Engine, slots: Slots) -> None:
    """What is under way, then what was chosen among all that was ever evaluated."""
    defences = Defences(shared_store())
    with slots.live.container():
        watch(_under_way, lambda: _progress(engine, defences), key="bos_evaluating")
    with slots.results, shown_as_sentences("the results of an evaluation"):
        results.section(engine, defences)


def _form(engine: Engine, request: Request, clamp: Clamp, values: Sequence[float]) -> Evaluation | None:
    """What to evaluate."""
    have = {kind: work.held_out_prompts(engine, kind) for kind in _KINDS}
    if not have["harmful"]:
        st.info(
            "This model has no shipped harmful prompts, so there is nothing to defend against.",
            icon=":material/lightbulb:",
        )
        return None
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    with left:
        attack = st.selectbox(
            "Attack",
            _attacks(engine, request),
            key=ATTACK,
            help="An attack edits the model or puts a text around each harmful request. These texts are short, "
            "published, and contain no harmful instructions.",
            persist_state="session",
        )
    with right:
        state.usual(GRID, ", ".join(f"{v:g}" for v in values))
        typed = st.text_input(
            "Clamp values to compare with no clamp",
            key=GRID,
            on_change=state.set_by_hand,
            args=(GRID,),
            persist_state="session",
        )
    prompts = {}
    for column, (kind, title) in zip(st.columns(3, gap="medium"), _KINDS.items(), strict=True):
        with column:
            prompts[kind] = tuple(have[kind][: _how_many(kind, title, len(have[kind]))])
    try:
        asked = Evaluation(
            str(attack),
            clamp.features,
            (None, *state.numbers(typed)),
            prompts["harmful"],
            prompts["benign"],
            prompts["lookalike"],
            base=_base(str(attack), request),
            wrapping=_wrapping(str(attack)),
            positions=clamp.positions,
            when=None if clamp.when is None else Sensor(*clamp.when),
            tokens=TOKENS,
            references=references.known(engine, prompts["harmful"] + prompts["benign"] + prompts["lookalike"]),
        )
        for value in asked.values:
            asked.clamp(value)
    except InputError as error:
        show_error(error)
        return None
    return asked


def _attacks(engine: Engine, request: Request) -> list[str]:
    edits = [DIRECTION] * engine.has_direction + [ACTIVE] * bool(request.edits)
    return [*edits, *(f"{attack.kind}: {attack.name}" for attack in ATTACKS)]


def _base(attack: str, request: Request) -> str:
    return {DIRECTION: "direction", ACTIVE: request.edits.to_text()}.get(attack, "")


def _wrapping(attack: str) -> str:
    return "" if attack in (DIRECTION, ACTIVE) else attack.partition(": ")[2]


def _how_many(kind: str, title: str, most: int) -> int:
    if not most:
        st.caption(f"{title}: the model has no such prompts")
        return 0
    least = 1 if kind == "harmful" else 0
    return int(st.slider(title, least, most, min(USUAL, most), key=f"bos_many_{kind}_{most}", persist_state="session"))


def _button(engine: Engine, slots: Slots) -> None:
    if slots.asked is not None:
        slots.button.button(
            "Run",
            key="bos_run_defence",
            type="primary",
            icon=":material/shield:",
            disabled=_under_way(),
            help="Another evaluation is under way. It has to end first." if _under_way() else None,
            on_click=_start,
            args=(engine, slots.asked, slots.judge),
        )


def _start(engine: Engine, asked: Evaluation, judge: str) -> None:
    defences = Defences(shared_store())
    evaluations.start(shared_queue(), defences, state.show(defences.create(engine, asked, judge)), engine)


def _under_way() -> bool:
    return bool(shared_queue().under_way("defence"))


def _progress(engine: Engine, defences: Defences) -> None:
    """Every evaluation under way, whoever started it, and why the last one shown failed, if it did."""
    for number, job in enumerate(shared_queue().under_way("defence")):
        job_bar(job, f"bos_stop_defence{number or ''}", "Finished cells are kept.", job.title)
        results.figures(defences.get(job.key), defences.found(job.key), defences.gaps(job.key))
    last = evaluations.job_of(shared_queue(), str(st.session_state.get(state.SHOWN)))
    if last is not None and last.state == "failed":
        st.error(plain(last.error), icon=":material/error:")
