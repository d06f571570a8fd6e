"""The guided demo: eight steps of one sentence each, from a refusal to its heads and back.

Knows: what each step sets (prompt, edits, view) and says. Does not know: how anything is measured or drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import streamlit as st

from core import Edits, Engine
from core.edits.feature_sets import top_per_layer
from core.judges.names import USUAL
from pages.hydra import heads, state, work
from pages.shared import measurements
from pages.shared.workspace import session
from pages.shared.workspace.session import Request
from pages.shared.workspace.state import words_of

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
    Step("The model **refuses** this request. Its answer is about to begin with “I”, as in “I can’t”.", 0, state.MAP),
    Step(
        f"Switch off the **{ENOUGH} features nearest the refusal direction** in every layer, and the same model "
        "answers. Squares mark where those features fired before.",
        ENOUGH,
        state.MAP,
    ),
    Step(
        "This is the hydra: **circles are features that were silent** on this prompt and woke when the others were "
        "switched off. Point at a circle to see the labels of its features. The table below lists them all.",
        ENOUGH,
        state.MAP,
    ),
    Step(
        "Many wake at **BOS**, the first token. BOS sees no other token, so the same features wake there for every "
        "prompt. They depend on the edits, not on the request.",
        ENOUGH,
        state.MAP,
        only_bos=True,
    ),
    Step(
        "**Who wakes whom?** This view leaves one ablated feature on at a time. That feature was holding down the "
        "features that now fall silent again.",
        ENOUGH,
        state.WHO,
    ),
    Step(
        "**Do they matter?** Ablate the woken features too. A bar much longer than its tick means that they had "
        "taken over refusal. A bar as long as its tick means that they woke but did not matter.",
        ENOUGH,
        state.MATTER,
    ),
    Step(
        "Now **cut too few**, so that the model still refuses. Each round then ablates the features that woke. It "
        "ends when the model no longer refuses, or no feature wakes. The control ablates the same "
        "number of random features.",
        1,
        state.HEADS,
        too_few=True,
    ),
    Step(
        "**How much is enough?** These are the same edits at every strength. The model stops refusing where the "
        "score crosses 0. The tour ends here. Now try your own request.",
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
            help="The hydra effect in eight steps",
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
        features = top_per_layer(measurements.alignment(engine, key), step.k) if step.k else []
        if step.too_few:
            features = work.too_few(engine, key, prompt, tuple(features))
        edits = Edits.ablate(features)
        session.set_both(prompt, words_of(edits))
        state.show(step.view, step.only_bos)
        if step.too_few:
            judge = str(st.session_state.get(state.JUDGE, USUAL))
            heads.start(heads.asked(engine, key, Request(prompt, edits), "all", judge))

    return act


def _end() -> None:
    st.session_state.pop(_STEP, None)
