"""Benign prompts × values: the answers, streaming in, with their verdicts, and the refusal score as curves.

Knows: the grid's layout and what is still to be written. Does not know: where features or clamps come from.
Two steps, so that a click shows what is known at once: `draw` first, `finish` writes the missing answers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core import Engine, InputError
from core.answers.answer import Answer
from core.answers.verdicts import Judged
from core.defence import clamp_name
from pages.bos import charts, state, work
from pages.bos.state import Clamp
from pages.shared import measurements
from pages.shared.downloads import download
from pages.shared.text import escaped
from pages.shared.trouble import show_error, shown_as_sentences
from pages.shared.verdicts import agreement, answer_cell, verdicts
from pages.shared.workspace.session import Request

PROMPTS, VALUES, LENGTH, HALT = "bos_prompts", "bos_values", "bos_tokens", "bos_halt"
LENGTHS = (24, 48, 96)
_STOPPED, _PARTIAL = "bos_stopped", "bos_partial"
#: More would not fit any screen.
MOST_PROMPTS, MOST_VALUES = 20, 12
#: Seconds between two drawings of the grid while answers are written.
_EVERY = 0.2
#: A column's least width, in letters' heights.
_WIDTH = 10


@dataclass
class Grid:
    """What is asked, and the slots it is shown in. None among the values: no clamp."""

    prompts: tuple[str, ...]
    values: tuple[float | None, ...]
    clamp: Clamp
    tokens: int
    table: Any
    stop: Any

    @property
    def asked(self) -> tuple:
        """What a Stop is about."""
        return self.prompts, self.values, self.clamp, self.tokens


def draw(engine: Engine, key: str, clamp: Clamp, value: float) -> Grid | None:
    """The settings, what is already written, and the curves; None where there is nothing to ask."""
    st.subheader("Harmless requests", anchor="answers")
    st.session_state.setdefault(PROMPTS, "\n".join(work.PAPER_PROMPTS))
    st.session_state.setdefault(VALUES, ", ".join(f"{v:g}" for v in work.PAPER_VALUES))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("Prompts and values", icon=":material/edit:", key="bos_edit"):
            st.text_area("Requests, one on each line", key=PROMPTS, height=170, persist_state="session")
            st.text_input(
                "Values",
                key=VALUES,
                persist_state="session",
                help="Separate values with commas. The clamp value above is always included.",
            )
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
    prompts = tuple(dict.fromkeys(line.strip() for line in st.session_state[PROMPTS].splitlines() if line.strip()))
    try:
        typed = state.numbers(st.session_state[VALUES])
        for prompt in prompts[:MOST_PROMPTS]:
            engine.prompt(prompt)
        for one in typed:
            clamp.at(one)
    except InputError as error:
        show_error(error)
        return None
    if not prompts:
        st.info("Type at least one request.", icon=":material/lightbulb:")
        return None
    if len(prompts) > MOST_PROMPTS or len(typed) > MOST_VALUES:
        st.caption(f"Only the first {MOST_PROMPTS} requests and {MOST_VALUES} values are shown.")
    values = (None, *sorted({*typed[:MOST_VALUES], value}))
    grid = Grid(prompts[:MOST_PROMPTS], values, clamp, int(tokens or LENGTHS[0]), st.empty(), stop)
    _show(grid, value, _judged(engine, key, grid, _known(key, grid)), {})
    with shown_as_sentences("the score curves"):
        _curves(engine, key, grid, value)
    return grid


def finish(engine: Engine, key: str, grid: Grid, value: float) -> None:
    """Write the missing answers. Each drawing of the grid is a place where a click ends the run."""
    known = _known(key, grid)
    prompts = [p for p in grid.prompts if any((p, v) not in known for v in grid.values)]
    values = [v for v in grid.values if any((p, v) not in known for p in grid.prompts)]
    if not prompts:
        return
    if st.session_state.get(_STOPPED) == grid.asked:
        grid.stop.button("Continue", key=HALT, icon=":material/play_arrow:", on_click=_resume)
        _show(grid, value, _judged(engine, key, grid, known), _partials(grid), waits="stopped")
        return
    grid.stop.button("Stop", key=HALT, icon=":material/stop:", on_click=_stop, args=(grid.asked,))
    # Written into as the text comes, because nothing can be put into the session once a click has ended this run.
    seen, drawn, done = _partials(grid), 0.0, _judged(engine, key, grid, known)
    written: dict[tuple[str, float | None], Answer] = {}
    for p, v, text in engine.stream_many(prompts, [grid.clamp.at(one) for one in values], grid.tokens):
        place = (prompts[p], values[v])
        written[place] = text
        # Greedy answers repeat themselves exactly, so what was already seen stays while it is written again.
        earlier = seen.get(place, "")
        seen[place] = earlier if len(earlier) > len(text) else text
        if time.monotonic() - drawn > _EVERY:
            drawn = time.monotonic()
            _show(grid, value, done, seen)
    for (prompt, one), text in written.items():
        measurements.answers().put((key, Request(prompt, grid.clamp.at(one)), grid.tokens), text)
    _show(grid, value, _judged(engine, key, grid, {**known, **written}), {})
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
    chosen: float,
    known: Mapping[tuple[str, float | None], tuple[str, Judged]],
    under_way: Mapping[tuple[str, float | None], str],
    waits: str = "answering",
) -> None:
    """The whole table: a row of cells under each request, a column a value; it scrolls sideways where it must."""
    heads = "".join(
        f"<th scope='col'{' class=hs-chosen' if v == chosen else ''}>{escaped(clamp_name(v))}</th>" for v in grid.values
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


def _curves(engine: Engine, key: str, grid: Grid, value: float) -> None:
    values: Sequence[float] = [v for v in grid.values if v is not None]
    frame = work.scores(engine, key, grid.prompts, grid.clamp, tuple(values))
    st.altair_chart(charts.scores(frame, value), key="bos_scores", alt=charts.scores_summary(frame))
    st.caption(
        "The refusal score is the log-odds that the answer begins with a refusal token. Above 0, the model is about "
        "to refuse. Dashed lines show the score without a clamp. The vertical line marks the clamp value chosen "
        f"above. Hover over a verdict for its reason. {agreement()}"
    )
    download(frame, "bos-scores")


def _stop(asked: tuple) -> None:
    st.session_state[_STOPPED] = asked


def _resume() -> None:
    st.session_state.pop(_STOPPED, None)


def _partials(grid: Grid) -> dict[tuple[str, float | None], str]:
    """What was written of answers that are not complete, of this clamp only."""
    about, texts = st.session_state.get(_PARTIAL, (None, {}))
    if about != (grid.clamp, grid.tokens):
        texts = {}
        st.session_state[_PARTIAL] = ((grid.clamp, grid.tokens), texts)
    found: dict[tuple[str, float | None], str] = texts
    return found
