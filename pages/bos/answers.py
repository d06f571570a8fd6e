"""The prompt of the strip and harmless ones × values: the answers, streaming in, with their verdicts, and the refusal
score as curves.

Knows: the grid's layout and what is still to be written. Does not know: where features or clamps come from.
Two steps, so that a click shows what is known at once: `draw` first, `finish` writes the missing answers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core import Edits, Engine, InputError
from core.answers.answer import Answer
from core.answers.verdicts import Judged
from core.defence import clamp_name
from core.prompts.conversation import PromptLike
from pages.bos import charts, effect, state, work
from pages.bos.state import Clamp
from pages.bos.work import Natural
from pages.shared import measurements
from pages.shared.downloads import download
from pages.shared.text import escaped
from pages.shared.trouble import show_error
from pages.shared.verdicts import agreement, answer_cell, verdicts
from pages.shared.workspace.session import Request

PROMPTS, VALUES, LENGTH, HALT = "bos_prompts", "bos_values", "bos_tokens", "bos_halt"
#: Milliseconds of one forward from which on answers are written on request only.
SLOW = 2000
LENGTHS = (24, 48, 96)
_STOPPED, _PARTIAL, _ASKED = "bos_stopped", "bos_partial", "bos_asked"
#: More would not fit any screen.
MOST_PROMPTS, MOST_VALUES = 20, 12
#: Seconds between two drawings of the grid while answers are written.
_EVERY = 0.2
#: A column's least width, in letters' heights.
_WIDTH = 8


@dataclass
class Grid:
    """What is asked, and the slots it is shown in. None among the values: no clamp. scores: the first prompt's refusal
    score at each of them. chosen: the clamp's value.
    """

    prompts: tuple[str, ...]
    values: tuple[float | None, ...]
    chosen: float
    clamp: Clamp
    tokens: int
    scores: tuple[float, ...]
    said: Any
    table: Any
    stop: Any

    @property
    def asked(self) -> tuple:
        """What a Stop is about."""
        return self.prompts, self.values, self.clamp, self.tokens


def draw(engine: Engine, key: str, prompt: PromptLike, clamp: Clamp, value: float, natural: Natural) -> Grid | None:
    """The settings, what is already written, and the curves; None where there is nothing to ask."""
    with st.container(key="bos_said"):
        said = st.empty()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        prompts, typed = _asked(prompt, natural)
        tokens = st.segmented_control(
            "Answer length in tokens",
            LENGTHS,
            default=LENGTHS[0],
            key=LENGTH,
            required=True,
            label_visibility="collapsed",
            format_func=lambda n: f"{n} tokens" if n == LENGTHS[0] else str(n),
            persist_state="session",
        )
        stop = st.empty()
    try:
        values = state.numbers(typed)
        for one in prompts[:MOST_PROMPTS]:
            engine.prompt(one)
        for number in values:
            clamp.at(number)
    except InputError as error:
        show_error(error)
        return None
    if not prompts:
        st.info("Type at least one request.", icon=":material/lightbulb:")
        return None
    if len(prompts) > MOST_PROMPTS or len(values) > MOST_VALUES:
        st.caption(f"Only the first {MOST_PROMPTS} requests and {MOST_VALUES} values are shown.")
    prompts, every = prompts[:MOST_PROMPTS], (None, *sorted({*values[:MOST_VALUES], value}))
    with st.spinner("Measuring the refusal score at each value", show_time=True):
        scores = work.scores_at(engine, key, prompts[0], clamp, every)
    grid = Grid(prompts, every, value, clamp, int(tokens or LENGTHS[0]), scores, said, st.empty(), stop)
    _show(grid, _judged(engine, key, grid, _known(key, grid)), {})
    return grid


def _asked(prompt: PromptLike, natural: Natural) -> tuple[tuple[str, ...], str]:
    """The requests, that of the strip first, and the values as typed."""
    st.session_state.setdefault(PROMPTS, "\n".join(work.PAPER_PROMPTS))
    state.usual(VALUES, ", ".join(f"{v:g}" for v in natural.values))
    with st.popover("Requests and values", icon=":material/edit:", key="bos_edit"):
        st.text_area("More requests, one on each line", key=PROMPTS, height=170, persist_state="session")
        st.text_input(
            "Values",
            key=VALUES,
            on_change=state.set_by_hand,
            args=(VALUES,),
            persist_state="session",
            help="Separate values with commas. The chosen clamp value is always included.",
        )
    first = [prompt] if isinstance(prompt, str) else []
    lines = (line.strip() for line in st.session_state[PROMPTS].splitlines() if line.strip())
    return tuple(dict.fromkeys([*first, *lines])), str(st.session_state[VALUES])


def finish(engine: Engine, key: str, grid: Grid, milliseconds: float) -> None:
    """Write the missing answers, the first prompt's first. Each drawing of the grid is a place where a click ends the
    run. milliseconds: what one forward takes; where that is long, answers are written on request.
    """
    known = _known(key, grid)
    if all((p, v) in known for p in grid.prompts for v in grid.values):
        return
    waits = milliseconds > SLOW and st.session_state.get(_ASKED) != grid.asked
    if waits or st.session_state.get(_STOPPED) == grid.asked:
        grid.stop.button(
            "Write the answers" if waits else "Continue",
            key=HALT,
            icon=":material/play_arrow:",
            on_click=_resume,
            args=(grid.asked,),
        )
        _show(grid, _judged(engine, key, grid, known), _partials(grid), "not written" if waits else "stopped")
        return
    grid.stop.button("Stop", key=HALT, icon=":material/stop:", on_click=_stop, args=(grid.asked,))
    # Written into as the text comes, because nothing can be put into the session once a click has ended this run.
    seen, drawn = _partials(grid), 0.0
    for asked in filter(None, (grid.prompts[:1], grid.prompts[1:])):
        known = _known(key, grid)
        prompts = [p for p in asked if any((p, v) not in known for v in grid.values)]
        values = [v for v in grid.values if any((p, v) not in known for p in asked)]
        done, written = _judged(engine, key, grid, known), dict[tuple[str, float | None], Answer]()
        for p, v, text in engine.stream_many(prompts, [grid.clamp.at(one) for one in values], grid.tokens):
            place = (prompts[p], values[v])
            written[place] = text
            # Greedy answers repeat themselves exactly, so what was already seen stays while it is written again.
            earlier = seen.get(place, "")
            seen[place] = earlier if len(earlier) > len(text) else text
            if time.monotonic() - drawn > _EVERY:
                drawn = time.monotonic()
                _show(grid, done, seen)
        for (prompt, one), text in written.items():
            measurements.answers().put((key, Request(prompt, grid.clamp.at(one)), grid.tokens), text)
        _show(grid, _judged(engine, key, grid, _known(key, grid)), seen)
    grid.stop.empty()


def _known(key: str, grid: Grid) -> dict[tuple[str, float | None], str]:
    """The answers already written, on this page or the Audit page."""
    kept, found = measurements.answers(), {}
    for value in grid.values:
        edits = grid.clamp.at(value)
        for prompt in grid.prompts:
            text = kept.get((key, Request(prompt, edits), grid.tokens))
            if text is not None:
                found[prompt, value] = text
    return found


def _judged(
    engine: Engine, key: str, grid: Grid, known: Mapping[tuple[str, float | None], str]
) -> dict[tuple[str, float | None], tuple[str, Judged]]:
    """Each answer that is complete with what it is, judged together."""
    judged = verdicts(engine, key, [(prompt, answer) for (prompt, _), answer in known.items()])
    return {place: (text, one) for (place, text), one in zip(known.items(), judged, strict=True)}


def _show(
    grid: Grid,
    known: Mapping[tuple[str, float | None], tuple[str, Judged]],
    under_way: Mapping[tuple[str, float | None], str],
    waits: str = "answering",
) -> None:
    """What is seen so far in words, and the table: a row of cells under each request, a column a value; it scrolls
    sideways where it must.
    """
    grid.said.markdown(effect.sentence(grid.prompts, grid.values, grid.chosen, grid.scores, known))
    heads = "".join(
        f"<th scope='col'{' class=hs-chosen' if v == grid.chosen else ''}>{escaped(clamp_name(v))}</th>"
        for v in grid.values
    )
    rows, width = [], _WIDTH * len(grid.values)
    for prompt in grid.prompts:
        cells = "".join(_cell(known.get((prompt, v)), under_way.get((prompt, v), ""), waits) for v in grid.values)
        rows.append(
            f"<tr><th scope='rowgroup' colspan='{len(grid.values)}'><span>{escaped(prompt)}</span></th></tr>"
            f"<tr>{cells}</tr>"
        )
    grid.table.html(
        "<div class='hs-scroll' tabindex='0' role='region' aria-label='Answers by request and value'>"
        f"<table class='hs-grid' style='min-width: {width}rem'><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(found: tuple[str, Judged] | None, so_far: str, waits: str) -> str:
    if found is None:
        cursor = " hs-cursor" if waits == "answering" else ""
        return f"<td><small>{waits}</small><div class='hs-answer{cursor}'>{escaped(so_far.lstrip())}</div></td>"
    return f"<td>{answer_cell(*found)}</td>"


def curves(engine: Engine, key: str, grid: Grid) -> None:
    """The refusal score of every request over the clamp's value."""
    st.subheader("Refusal score by value", anchor="curves")
    values: Sequence[float] = [v for v in grid.values if v is not None]
    with st.spinner("Measuring the curves", show_time=True):
        frame = work.scores(engine, key, grid.prompts, grid.clamp, tuple(values))
    st.altair_chart(charts.scores(frame, grid.chosen), key="bos_scores", alt=charts.scores_summary(frame))
    st.caption(
        "The refusal score is the log-odds that the answer begins with a refusal token. Above 0, the model is about "
        "to refuse. Dashed lines show the score without a clamp. The vertical line marks the chosen clamp "
        f"value. Hover over a verdict for its reason. {agreement()}"
    )
    download(frame, "bos-scores")


def for_card(grid: Grid) -> list[tuple[PromptLike, tuple[tuple[str, Edits], ...]]]:
    """The requests, each with the clamp at the chosen value: what a card of this page is about."""
    states = ((f"Clamp at {clamp_name(grid.chosen)}", grid.clamp.at(grid.chosen)),)
    return [(prompt, states) for prompt in grid.prompts]


def _stop(asked: tuple) -> None:
    st.session_state[_STOPPED] = asked


def _resume(asked: tuple) -> None:
    st.session_state.pop(_STOPPED, None)
    st.session_state[_ASKED] = asked


def _partials(grid: Grid) -> dict[tuple[str, float | None], str]:
    """What was written of answers that are not complete, of this clamp only."""
    about, texts = st.session_state.get(_PARTIAL, (None, {}))
    if about != (grid.clamp, grid.tokens):
        texts = {}
        st.session_state[_PARTIAL] = ((grid.clamp, grid.tokens), texts)
    found: dict[tuple[str, float | None], str] = texts
    return found
