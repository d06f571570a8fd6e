"""Before and after, side by side: verdict, refusal score, P("I"), the answer as it is written, and what the edit costs.

Two steps, so that a click shows its new score at once: `draw` fills in what one forward pass tells, `finish` follows
with the cost on benign prompts and the answers. A click ends a run that is still writing, at its next piece of text.
Knows: slots on the page. Does not know: charts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from core import Edits, Engine
from core.answers.answer import Answer
from core.answers.generate import Pieces
from core.text.pieces import pieces_text
from pages.shared import measurements
from pages.shared.measurements import Cost, Side
from pages.shared.text import escaped, plain, probability, signed
from pages.shared.verdicts import badge, change, verdict
from pages.shared.workspace import session
from pages.shared.workspace.session import Request
from pages.shared.workspace.state import ANSWER_TOKENS, with_settings

LENGTH, THINKING, HALT = "answer_length", "answer_thinking", "answer_halt"
#: Milliseconds of one measurement from which on the answers come before everything that measures many prompts.
SLOW = 2000
#: How long an answer that is being written stands before it is shown again.
_SECONDS_BETWEEN = 0.1
_STOPPED, _PARTIALS = "answer_stopped", "answer_partials"
_SCORE_HELP = (
    "Log-odds that the answer begins with a refusal token. Above 0, the model is about to refuse. Below 0, it is "
    "about to answer (Arditi et al. 2024)."
)
_KL_HELP = (
    "The effect of the edits on harmless prompts: the mean KL(unedited ‖ edited) of the next-token distributions "
    "in nats, over the model’s {n} harmless prompts, with its 95% interval over prompts. Below about "
    "0.1 nats, little changes. Prompts that all give the same KL have no interval."
)


@dataclass
class Card:
    """The slots of one side, and what the answer in it is an answer to. summary: a slot for the verdicts of both sides,
    and what the edited side asks."""

    request: Request
    verdict: Any
    answer: Any
    cost: Any = None
    recovery: Any = None
    summary: tuple[Any, Request] | None = None


@dataclass
class _Writing:
    """An answer being written. shown: when it was last shown, on the monotonic clock."""

    card: Card
    pieces: Pieces
    written: list[str] = field(default_factory=list)
    shown: float = 0.0


@dataclass(frozen=True)
class Finished:
    """What the answers came to: texts and verdicts, empty where none was written yet."""

    before: str
    after: str
    cost: Cost | None
    complete: bool


def draw(
    engine: Engine, key: str, request: Request, before: Side, after: Side, summary: Any = None
) -> tuple[Card, Card]:
    """Both cards with their scores, and the answers already written; the cost and new answers follow in `finish`.

    summary: a slot elsewhere on the page for both verdicts in a line.
    """
    edits = request.edits
    named = pieces_text(engine.refusal_pieces)
    probability_help = f"Probability that the answer begins with a refusal token of this model: {plain(named)}."
    left, right = st.columns(2, gap="small")
    with left.container(border=True, height="stretch", key="card_before"):
        slot = _title("Before", "no edit")
        with st.container(horizontal=True, gap="small", key="numbers_before"):
            st.metric("Refusal score", signed(before.score), help=_SCORE_HELP, width="content")
            st.metric(_p(named), probability(before.probability), help=probability_help, width="content")
        first = Card(Request(request.prompt, Edits()), slot, st.empty())
    with right.container(border=True, height="stretch", key="card_after"):
        slot = _title("After", edits.describe())
        with st.container(horizontal=True, gap="small", key="numbers_after"):
            moved = after.score - before.score if edits else None
            _changed("Refusal score", signed(after.score), moved, 2, _SCORE_HELP)
            moved = after.probability - before.probability if edits else None
            _changed(_p(named), probability(after.probability), moved, 3, probability_help)
            recovery_slot, cost_slot = st.empty(), st.empty()
        second = Card(request, slot, st.empty(), cost_slot, recovery_slot)
    for card in [first, second] if edits else [first]:
        card.summary = None if summary is None else (summary, request)
        text = measurements.answers().get((key, card.request, _length()))
        if text is None:
            _show(card, "")
        else:
            _finished(engine, key, card, text)
    if not edits:
        _invite(second)
    return first, second


def _changed(label: str, value: str, change: float | None, digits: int, about: str) -> None:
    """A number with what changed. The arrow is given: Streamlit reads it off an ASCII hyphen, not off a minus sign."""
    said = None if change is None else signed(change, digits)
    arrow: Any = "off" if said is None or said[0] not in "+−" else "up" if said[0] == "+" else "down"
    st.metric(label, value, said, delta_color="off", delta_arrow=arrow, help=about, width="content")


def controls(engine: Engine, took: float) -> tuple[Any, Any]:
    """The line under the cards: how long the answer may be, whether the model thinks first where it can. Returns a slot
    for Stop, and one for the audit card."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="answer_controls"):
        st.segmented_control(
            "Answer length in tokens",
            ANSWER_TOKENS,
            key=session.show_in(LENGTH, _length()),
            on_change=session.on_change(LENGTH, lambda w, number: with_settings(w, answer_tokens=int(number))),
            required=True,
            label_visibility="collapsed",
            format_func=lambda number: f"{number} tokens" if number == ANSWER_TOKENS[0] else f"{number}",
        )
        thinking = engine.runtime.template.thinking
        if thinking is not None:
            st.toggle(
                "Thinking",
                key=session.show_in(THINKING, thinking),
                on_change=session.on_change(THINKING, lambda w, on: with_settings(w, thinking=bool(on))),
                help="Let the model think before it answers. Its thoughts are not judged. When off, the refusal score "
                "is read where the answer begins.",
            )
        slot = st.empty()
        st.space("stretch")
        st.caption(
            f"measured in {took:.0f} ms",
            width="content",
            help="The time of one forward pass with the edits, in the engine only.",
        )
        return slot, st.container(width="content")


def finish(engine: Engine, key: str, first: Card, second: Card, stop_slot: Any) -> Finished:
    """The answers, and then the cost, which is measured on many prompts."""
    length, kept = _length(), measurements.answers()
    sides = [first] if not second.request.edits else [first, second]
    todo = [card for card in sides if kept.get((key, card.request, length)) is None]
    stopped = st.session_state.get(_STOPPED) == (second.request, length)
    if todo and stopped:
        stop_slot.button("Continue", key=HALT, icon=":material/play_arrow:", on_click=_resume)
        for card in todo:
            _show(card, _partials().get((key, card.request, length), ""), note="stopped")
    elif todo:
        stop_slot.button("Stop", key=HALT, icon=":material/stop:", on_click=_stop, args=((second.request, length),))
        _write(engine, key, todo, length)
        stop_slot.empty()
    cost = _cost(engine, key, second)
    found = [kept.get((key, card.request, length)) for card in sides]
    if len(found) == 1:
        found *= 2  # without edits, after is before
    return Finished(found[0] or "", found[1] or "", cost, all(text is not None for text in found))


def _cost(engine: Engine, key: str, card: Card) -> Cost | None:
    """What the edit costs on benign prompts, shown; None without edits."""
    if not card.request.edits:
        return None
    cost = measurements.cost(engine, key, card.request.edits)
    if cost is not None:
        card.cost.metric(
            "KL, benign",
            f"{cost.kl:.3f}",
            (f"{cost.low:.3f}–{cost.high:.3f}" if cost.low == cost.low else "no interval") + f", n = {cost.prompts}",
            delta_color="off",
            delta_arrow="off",
            help=_KL_HELP.format(n=cost.prompts),
            width="content",
        )
    return cost


def _write(engine: Engine, key: str, todo: list[Card], length: int) -> None:
    """Write the answers token by token, both sides in turn, and show them a few times a second: a browser that draws
    every token is busy with nothing else. Each time is a place where a click ends the run.
    """
    # Written into as the text comes, because nothing can be put into the session once a click has ended this run.
    seen = _partials()
    for old in [place for place in seen if place[0] != key or place[1].prompt != todo[0].request.prompt]:
        del seen[old]
    running = [
        _Writing(card, engine.generate(card.request.prompt, card.request.edits, max_new_tokens=length)) for card in todo
    ]
    for one in running:
        _show(one.card, seen.get((key, one.card.request, length), ""))
    while running:
        for one in list(running):
            place, piece = (key, one.card.request, length), next(one.pieces, None)
            if piece is None:
                answer = Answer("".join(one.written), one.pieces.ended)
                measurements.answers().put(place, answer)
                _finished(engine, key, one.card, answer)
                running.remove(one)
                continue
            one.written.append(piece)
            # Greedy answers repeat themselves exactly, so what was already seen stays while it is written again.
            text, earlier = "".join(one.written), seen.get(place, "")
            seen[place] = earlier if earlier.startswith(text) else text
            if time.monotonic() - one.shown >= _SECONDS_BETWEEN:
                _show_text(one.card, seen[place])
                one.shown = time.monotonic()


def _show(card: Card, text: str, note: str = "answering") -> None:
    """An answer that is not complete, and why."""
    card.verdict.badge(note.capitalize(), icon=":material/more_horiz:", color="gray")
    _show_text(card, text, " hs-cursor" if note == "answering" else "")


def _show_text(card: Card, text: str, cursor: str = " hs-cursor") -> None:
    card.answer.html(f'<div class="hs-answer{cursor}">{escaped(text.lstrip())}</div>')


def _finished(engine: Engine, key: str, card: Card, text: str) -> None:
    """A complete answer, and what it is."""
    shown = escaped(text.strip()) or '<span class="hs-wait">(an empty answer)</span>'
    card.answer.html(f'<div class="hs-answer">{shown}</div>')  # before it is judged, which takes a moment
    judged = verdict(engine, key, card.request.prompt, text)
    badge(judged, card.verdict)
    card.answer.html(f'<div class="hs-answer {judged}">{shown}</div>')
    if card.summary:
        _summarise(engine, key, *card.summary)


def _summarise(engine: Engine, key: str, slot: Any, request: Request) -> None:
    """The verdicts of both answers in a line, once both are there."""
    sides = dict.fromkeys((Request(request.prompt, Edits()), request))
    answers = [measurements.answers().get((key, side, _length())) for side in sides]
    if None not in answers:
        change(slot, *(verdict(engine, key, request.prompt, answer) for answer in answers))


def _invite(card: Card) -> None:
    card.verdict.empty()
    card.answer.html(
        '<div class="hs-answer"><span class="hs-wait">No edits are on. Click a quick set, or tick '
        "features in the table, and see whether the answer changes.</span></div>"
    )


def _title(name: str, what: str) -> Any:
    """The card's first line; returns the slot for its verdict."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{name}** :gray[{plain(what)}]", width="content")
        st.space("stretch")
        return st.empty()


def _p(named: str) -> str:
    return f"P(“{plain(named)}”)" if len(named) <= 12 else "P(refusal)"


def _stop(asked: tuple[Request, int]) -> None:
    st.session_state[_STOPPED] = asked


def _resume() -> None:
    st.session_state.pop(_STOPPED, None)


def _length() -> int:
    """The longest answer asked for, in tokens."""
    return session.current().settings.answer_tokens


def _partials() -> dict[tuple[str, Request, int], str]:
    """What was written of answers that are not complete, of this visitor and of one prompt at a time."""
    found: dict[tuple[str, Request, int], str] = st.session_state.setdefault(_PARTIALS, {})
    return found
