"""The guided tour: eight steps on one example, from results stored with the model, or measured here and now.

Knows: which step one is at, and where its numbers come from. Does not know: how a step looks (`tour_steps.py`).
While it runs it stands in place of the rest of the page and changes nothing of it, so prompt and edits are as they were
afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import Edits, Engine
from core.edits.feature_sets import top_per_layer
from core.hydra.tour import Example
from core.hydra.tour_file import StoredTour
from pages.hydra import tour_words, work
from pages.hydra.tour_steps import STEPS, Shown, Step
from pages.shared import measurements
from pages.shared.text import plain
from pages.shared.workspace import session
from pages.shared.workspace.state import words_of

_STEP, _LIVE = "hydra_tour", "hydra_tour_live"
#: Without a stored tour: features a layer nearest the refusal direction, and parts that are held.
PER_LAYER, HELD = 3, 4


def button(engine: Engine, pairs: Sequence[tuple[str, str]]) -> None:
    """The one button that begins it, where the model has what it needs."""
    if engine.has_direction and engine.spec.layers and pairs:
        st.button(
            "One-minute tour",
            key="hydra_tour_begin",
            icon=":material/play_circle:",
            on_click=_go,
            args=(0,),
            help="The hydra effect in eight steps, on an example. Your prompt and edits stay as they are.",
        )


def runs() -> bool:
    """Whether this visitor is on the tour."""
    return _STEP in st.session_state


def section(engine: Engine, key: str, pairs: Sequence[tuple[str, str]]) -> None:
    """The step one is at: the way on, its words, its chart, and where its numbers come from. Raises InputError,
    AssetError."""
    at = min(int(st.session_state[_STEP]), len(STEPS) - 1)
    step, stored = STEPS[at], work.stored_tour(engine, key)
    example = stored.tour.example if stored.tour else _usual(engine, key, pairs)
    live = stored.tour is None or step.part in _live()
    _way(at, example, None if stored.tour is None else live)
    if stored.trouble:
        st.warning(f"{plain(stored.trouble)} The tour is measured now instead.", icon=":material/error:")
    if live:
        with st.spinner("Measuring this step", show_time=True):
            found, dtype = work.tour_part(engine, key, example, step.part), engine.dtype
    else:
        assert stored.tour is not None
        found, dtype = getattr(stored.tour.measured, step.part), stored.tour.about.dtype
    shown = Shown(engine, key, example, found, dtype)
    st.markdown(step.says(shown))
    step.draw(shown)
    _source(engine, stored.tour, live)
    if at + 1 == len(STEPS):
        _end_of_it(example)


def _way(at: int, example: Example, live: bool | None) -> None:
    """Where one is, and the way on, back and out; at the same place in every step.

    live: whether the step is measured now instead of stored, None where nothing is stored.
    """
    with st.container(border=True, key="hydra_tour_banner", gap="small"):
        st.progress((at + 1) / len(STEPS), f"Step {at + 1} of {len(STEPS)}: {STEPS[at].title}")
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.button(
                "Back",
                key="hydra_tour_back",
                icon=":material/arrow_back:",
                disabled=at == 0,
                on_click=_go,
                args=(at - 1,),
                help=None if at else "This is the first step.",
            )
            if at + 1 < len(STEPS):
                st.button(
                    "Next",
                    key="hydra_tour_next",
                    icon=":material/arrow_forward:",
                    type="primary",
                    on_click=_go,
                    args=(at + 1,),
                )
            last = at + 1 == len(STEPS)
            st.button(
                "Done" if last else "Leave the tour",
                key="hydra_tour_end",
                type="primary" if last else "tertiary",
                on_click=_leave,
            )
            if live is not None:
                st.button(
                    "Show the stored result" if live else "Recompute this live",
                    key="hydra_tour_live_button",
                    icon=":material/history:" if live else ":material/refresh:",
                    type="tertiary",
                    on_click=_set_live,
                    args=(STEPS[at], not live),
                    help="Measure this step with the loaded model: seconds on the demo, a minute on a larger one.",
                )
        st.caption(f"Example: “{plain(example.prompt)}” · {tour_words.switched_off(example.edits)} off")


def _source(engine: Engine, stored: StoredTour | None, live: bool) -> None:
    """Where the numbers come from."""
    if stored is None:
        st.caption(f"Measured here on one prompt (n = 1), in {engine.dtype} on {engine.device}.")
        return
    about = stored.about
    source = (
        f"Measured now, in {engine.dtype} on {engine.device}."
        if live
        else f"Stored result, measured with this model on {about.made} in {about.dtype} on {about.device}."
    )
    if not live and about.dtype != engine.dtype:
        source += f" It runs in {engine.dtype} here, so a live result differs a little."
    st.caption(f"{source} {plain(about.chosen)} {plain(about.more)}", help=plain(f"{about.command} ({about.versions})"))


def _end_of_it(example: Example) -> None:
    """What to do next."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button(
            "Open this example",
            key="hydra_tour_open",
            icon=":material/open_in_full:",
            on_click=_open,
            args=(example,),
            help="Put its prompt and edits on the page in place of yours. One Undo takes that back.",
        )
        st.caption("“Done” brings back your own prompt and edits.", width="content")


def _usual(engine: Engine, key: str, pairs: Sequence[tuple[str, str]]) -> Example:
    """What the tour shows of a model without a stored one. Raises InputError, AssetError."""
    features = top_per_layer(measurements.alignment(engine, key), PER_LAYER)
    return Example(measurements.first_prompt(pairs), Edits.ablate(features), HELD)


def _live() -> set[str]:
    """The parts that this visitor had measured again."""
    found: set[str] = st.session_state.setdefault(_LIVE, set())
    return found


def _set_live(step: Step, on: bool) -> None:
    st.session_state[_LIVE] = _live() | {step.part} if on else _live() - {step.part}


def _go(to: int) -> None:
    st.session_state[_STEP] = to


def _open(example: Example) -> None:
    _leave()
    session.set_both(example.prompt, words_of(example.edits))


def _leave() -> None:
    st.session_state.pop(_STEP, None)
    st.session_state.pop(_LIVE, None)
