"""The pinned sets of edits beside the present one, on this prompt: scores, cost, answers, what wakes, and in words.

Knows: states as values; `sentences` and `table` are pure. Does not know: how anything is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import Edits, Engine
from core.prompts.conversation import PromptLike
from pages.shared import measurements
from pages.shared.measurements import Cost, Side
from pages.shared.text import counted, escaped, probability, signed
from pages.shared.verdicts import agreement, answer_cell, verdict
from pages.shared.workspace import fitting, session
from pages.shared.workspace.session import Request
from pages.shared.workspace.state import PINNED

UNEDITED, NOW = "Unedited", "Now"
_SAYS = {
    "refused": "it still refuses",
    "complied": "it answers",
    "off-topic": "its answer is off the subject",
    "degenerate": "its answer is degenerate",
    "undetermined": "its answer is cut off too early to tell",
}


class State(NamedTuple):
    """One column. cost, answer, verdict, woken (features that were silent and fire): None where not known yet."""

    name: str
    edits: Edits
    side: Side
    cost: Cost | None = None
    answer: str | None = None
    verdict: str | None = None
    woken: int | None = None


def sentences(states: Sequence[State]) -> list[str]:
    """What is seen, one sentence for each edited state; every number in it stands in the table too.

    A fall is given as a share of the largest fall among the states.
    """
    start = states[0].side.score
    edited = [one for one in states if one.edits]
    deepest = min(edited, key=lambda one: one.side.score, default=None)
    found = []
    for one in edited:
        fall = start - one.side.score
        text = f"{one.name} takes the refusal score from {signed(start)} to {signed(one.side.score)}"
        if deepest is not None and one is not deepest and fall > 0:
            text += f", {fall / (start - deepest.side.score):.0%} of what {deepest.name} does"
        if one.woken is not None:
            text += f"; {counted(one.woken, 'feature')} that {'was' if one.woken == 1 else 'were'} silent woke"
        if one.verdict is not None:
            text += f"; {_SAYS[str(one.verdict)]}"
        found.append(f"{text}.")
    return found


def table(states: Sequence[State]) -> str:
    """The states side by side, as HTML in which every text is escaped."""
    start = states[0].side.score
    rows = {
        "edits": [escaped(one.edits.describe()) for one in states],
        "refusal score": [
            f"<b>{signed(one.side.score)}</b>" + (f" ({signed(one.side.score - start)})" if one.edits else "")
            for one in states
        ],
        "P(refusal token)": [escaped(probability(one.side.probability)) for one in states],
        "KL, benign": [_cost(one.cost) for one in states],
        "woken": ["" if one.woken is None else f"{one.woken:,}" for one in states],
        "answer": [_answer(one) for one in states],
    }
    heads = "".join(f"<th scope='col'>{one.name}</th>" for one in states)
    body = "".join(
        f"<tr><th scope='row'>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for name, cells in rows.items()
    )
    return (
        "<div class='hs-scroll' tabindex='0' role='region' aria-label='The pinned edits beside the present ones'>"
        f"<table class='hs-grid hs-compared' style='min-width: {5 + 8.5 * len(states)}rem'>"
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


class Compared(NamedTuple):
    """The states, the slot of their table, and a slot beside its heading for what needs all of it."""

    states: list[State]
    place: DeltaGenerator
    aside: DeltaGenerator


def draw(engine: Engine, key: str, prompt: PromptLike) -> Compared | None:
    """The table with what is known already; the rest follows in `finish`. None without a pinned set."""
    if not session.current().pins:
        return None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Pinned sets compared", anchor="compared", width="content")
        st.space("stretch")
        aside = st.empty()
    found = Compared(_states(engine, key, prompt), st.empty(), aside)
    _show(found.place, found.states)
    return found


def lines(states: Sequence[State]) -> dict[str, Side]:
    """The pinned sets' curves for the layer chart: name → measured."""
    return {one.name: one.side for one in states if one.name in PINNED}


def finish(engine: Engine, key: str, prompt: PromptLike, compared: Compared) -> list[State]:
    """Write the answers that are missing, measure what each set costs and wakes, show it all, and return it."""
    states, length = compared.states, session.current().settings.answer_tokens
    missing = [one.edits for one in states if one.answer is None]
    if missing:
        for edits, written in zip(missing, engine.answers([prompt], missing, length)[0], strict=True):
            measurements.answers().put((key, Request(prompt, edits), length), written)
    known = {one.edits: _known(engine, key, prompt, one.edits) for one in states}
    done = []
    for one in states:
        answer, judged = known[one.edits]
        done.append(
            one._replace(
                cost=measurements.cost(engine, key, one.edits),
                answer=answer,
                verdict=judged,
                woken=measurements.woken(engine, key, prompt, one.edits) if one.edits.features else None,
            )
        )
        _show(compared.place, [*done, *states[len(done) :]])
    return done


def _states(engine: Engine, key: str, prompt: PromptLike) -> list[State]:
    """Unedited, the present edits unless they are pinned, and each pinned set."""
    now = session.current()
    pinned = [fitting.edits_of([edit.word for edit in pin if edit.on], engine) for pin in now.pins]
    present = fitting.edits_of(now.words_on, engine)
    sets = [(UNEDITED, Edits())]
    if present and present not in pinned:
        sets.append((NOW, present))
    sets += [(name, edits) for name, edits in zip(PINNED, pinned, strict=False) if edits]
    return [
        State(name, edits, measurements.side(engine, key, prompt, edits), None, *_known(engine, key, prompt, edits))
        for name, edits in sets
    ]


def _known(engine: Engine, key: str, prompt: PromptLike, edits: Edits) -> tuple[str | None, str | None]:
    """The answer, if it is written already, and what it is."""
    length = session.current().settings.answer_tokens
    answer = measurements.answers().get((key, Request(prompt, edits), length))
    return (None, None) if answer is None else (answer, verdict(engine, key, prompt, answer))


def _show(place: DeltaGenerator, states: Sequence[State]) -> None:
    with place.container(gap="small"):
        st.html(table(states))
        st.markdown("  \n".join(sentences(states)))
        st.caption(f"One prompt, so no interval but the KL’s, over benign prompts. {agreement()}")


def _cost(cost: Cost | None) -> str:
    if cost is None:
        return ""
    interval = f" ({cost.low:.3f}–{cost.high:.3f}, n = {cost.prompts})" if cost.low == cost.low and cost.kl else ""
    return f"{cost.kl:.3f}{interval}"


def _answer(state: State) -> str:
    if state.answer is None or state.verdict is None:
        return "<small>waits</small><div class='hs-answer'></div>"
    return answer_cell(state.answer, state.verdict)
