"""The guided demo: eight steps of one sentence each, from a refusal to its heads and back.

Knows: what each step sets (prompt, edits, view) and says. Does not know: how anything is measured or drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import streamlit as st

from core import Engine
from core.edits.feature_sets import top_per_layer
from pages.audit import state as audit_state
from pages.audit import work as audit_work
from pages.hydra import heads, state, work
from pages.shared import links

_STEP = "hydra_tour"
#: How many features a layer are enough to flip the demo.
ENOUGH = 3


class Step(NamedTuple):
    """says: one sentence, Markdown. k: features a layer to ablate (0: none). view: what to show. too_few: only so many
    of them that the model still refuses, and begin to cut the heads."""

    says: str
    k: int
    view: str
    only_bos: bool = False
    too_few: bool = False


STEPS = (
    Step("The model **refuses** this request: its first word is set to be “I”, as in “I can’t”.", 0, state.MAP),
    Step(
        f"Switch off the **{ENOUGH} features nearest the refusal direction** in every layer, and the same model "
        "answers. Squares mark where they fired.",
        ENOUGH,
        state.MAP,
    ),
    Step(
        "The hydra: **circles are features that were silent** on this prompt and woke once those were gone. Point at a "
        "circle to see what they are about; the table below has them all.",
        ENOUGH,
        state.MAP,
    ),
    Step(
        "Many wake at **BOS**, the first token. It sees nothing but itself, so the same ones wake for every prompt: "
        "read them as a mark of the edit, not of the request.",
        ENOUGH,
        state.MAP,
        only_bos=True,
    ),
    Step(
        "**Who wakes whom?** Leave one ablated feature on at a time: what falls asleep again had been held down by it.",
        ENOUGH,
        state.WHO,
    ),
    Step(
        "**Do they matter?** Ablate what woke as well: a bar far beyond its tick had taken over refusing, a bar at its "
        "tick merely woke.",
        ENOUGH,
        state.MATTER,
    ),
    Step(
        "Now **cut too little**: so few of the nearest features that it still refuses. Go on round by round: ablate "
        "what wakes, until it answers, nothing wakes, or the answer falls apart. The control cuts as many random ones.",
        1,
        state.HEADS,
        too_few=True,
    ),
    Step(
        "**How much is enough?** The same set at every strength: where the score crosses 0, refusing gives way. That "
        "is the tour; now try a request of your own.",
        ENOUGH,
        state.DOSE,
    ),
)


def button(engine: Engine, key: str, pairs: Sequence[tuple[str, str]]) -> None:
    """The one button that begins it."""
    if _STEP not in st.session_state and engine.has_direction and pairs:
        st.button(
            "Three-minute tour",
            key="hydra_tour_begin",
            icon=":material/play_circle:",
            on_click=_go(engine, key, pairs, 0),
            help="The hydra effect in eight clicks, a sentence each",
        )


def banner(engine: Engine, key: str, pairs: Sequence[tuple[str, str]]) -> None:
    """The step one is at, with the way on, back and out."""
    at = st.session_state.get(_STEP)
    if at is None:
        return
    with st.container(border=True, key="hydra_tour_banner"):
        st.progress((at + 1) / len(STEPS), f"Step {at + 1} of {len(STEPS)}")
        st.markdown(STEPS[at].says)
        with st.container(horizontal=True, gap="small"):
            st.button(
                "Back",
                key="hydra_tour_back",
                icon=":material/arrow_back:",
                disabled=at == 0,
                on_click=_go(engine, key, pairs, at - 1),
            )
            if at + 1 < len(STEPS):
                st.button(
                    "Next",
                    key="hydra_tour_next",
                    icon=":material/arrow_forward:",
                    type="primary",
                    on_click=_go(engine, key, pairs, at + 1),
                )
            st.button(
                "Done" if at + 1 == len(STEPS) else "Leave the tour",
                key="hydra_tour_end",
                type="tertiary",
                on_click=_end,
            )


def _go(engine: Engine, key: str, pairs: Sequence[tuple[str, str]], to: int) -> Callable[[], None]:
    def act() -> None:
        step = STEPS[to]
        st.session_state[_STEP] = to
        prompt = pairs[0][0]
        audit_state.set_prompt(prompt)
        features = top_per_layer(audit_work.alignment(engine, key), step.k) if step.k else []
        if step.too_few:
            features = work.too_few(engine, key, prompt, tuple(features))
        words = audit_state.words_for(features)
        audit_state.set_words(words)
        state.show(step.view, step.only_bos)
        if step.too_few:
            heads.start((key, audit_state.Request(prompt, links.text(words)), "all"))

    return act


def _end() -> None:
    st.session_state.pop(_STEP, None)
