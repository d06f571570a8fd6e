"""How the chosen features are held: the value, where, and on which condition; and the way to the Audit page.

Knows: the widgets of a clamp. Does not know: what it does to answers.
"""

from __future__ import annotations

import streamlit as st

from core import Engine, Feature, InputError
from core.edits.edits import POSITIONS
from pages.bos import state, work
from pages.bos.state import Clamp
from pages.bos.work import REACH, Natural
from pages.shared import notice
from pages.shared.trouble import show_error
from pages.shared.workspace import session
from pages.shared.workspace.state import words_of


def section(
    engine: Engine, key: str, features: tuple[Feature, ...], natural: Natural, positions: str
) -> tuple[Clamp, float] | None:
    """The clamp and its value; None, with the reason shown, where this model cannot hold features so. positions: where
    it acts at first."""
    st.subheader("Clamp value", anchor="clamp")
    st.session_state.setdefault(state.POSITIONS, positions)
    state.usual(state.VALUE, natural.usual)
    st.session_state[state.SLIDER] = min(max(st.session_state[state.VALUE] or 0.0, 0.0), natural.end)
    st.slider(
        "Clamp value",
        0.0,
        natural.end,
        step=natural.end / 100,
        key=state.SLIDER,
        on_change=_slid,
        format="%.4g",
        label_visibility="collapsed",
        help="In SAELens units, like the natural ranges. 0 ablates.",
    )
    left, right = st.columns(2, vertical_alignment="bottom", gap="small")
    with left:
        number = st.number_input(
            "Or type a value",
            step=natural.end / 100,
            format="%.4g",
            key=state.VALUE,
            on_change=state.set_by_hand,
            args=(state.VALUE,),
            persist_state="session",
        )
    with right:
        where = st.selectbox(
            "Where",
            [name for name in POSITIONS if name != "bos" or work.has_bos(engine)],
            key=state.POSITIONS,
            format_func=_where,
            persist_state="session",
            help="The tokens to clamp. The paper uses BOS.",
        )
    st.caption(_compared(natural))
    value = float(number or 0.0)
    try:
        clamp = Clamp(features, str(where), _condition(engine, key, str(where)))
        engine.check(clamp.at(value))
    except InputError as error:
        show_error(error)
        return None
    _to_audit(clamp, value)
    return clamp, value


def _slid() -> None:
    st.session_state[state.VALUE] = st.session_state[state.SLIDER]
    state.set_by_hand(state.VALUE)


def _compared(natural: Natural) -> str:
    where = "at BOS" if natural.at_bos else "on ordinary prompts, after BOS"
    return (
        f"By themselves these features reach {natural.highest:g} {where}. The slider goes to {REACH} times that. The "
        "paper uses 2 to 10, on models with smaller activations."
    )


def _where(name: str) -> str:
    return {"bos": "BOS", "all": "all tokens", "last": "last prompt token"}.get(name, f"{name} tokens")


def _condition(engine: Engine, key: str, where: str) -> tuple[Feature, float] | None:
    """A sensor and its threshold, when asked for. Raises InputError."""
    on = st.toggle(
        "Clamp only where another feature fires",
        key=state.CONDITIONAL,
        persist_state="session",
        help="A conditional clamp acts only at tokens where the sensor feature is above a threshold.",
    )
    if not on:
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.text_input(
            "Sensor, layer-index", key=state.SENSOR, placeholder="11-7", width=180, persist_state="session"
        )
        threshold = st.number_input(
            "fires above", 0.0, value=1.0, step=0.5, key=state.THRESHOLD, width=140, persist_state="session"
        )
    if not name:
        st.caption("Type a sensor feature. Until you do, the clamp acts at all chosen tokens.")
        return None
    sensor, least = Feature.parse(name), float(threshold or 0.0)
    at_bos = float(work.ranges(engine, key, (sensor,))["bos"].iloc[0])
    text = f"The clamp acts only at tokens where {sensor} is above {least:g} before its layer is edited."
    if where == "bos":
        acts = (
            "it acts on every prompt" if at_bos > least else "it acts on no prompt unless other edits wake the sensor"
        )
        text += (
            f" BOS sees no part of the prompt. Without edits, {sensor} is {at_bos:.2f} there on every prompt, so "
            f"{acts}. Choose other tokens to make it depend on the prompt."
        )
    else:
        text += " The clamp changes nothing on prompts where the sensor stays silent."
    st.caption(text)
    return sensor, least


def _to_audit(clamp: Clamp, value: float) -> None:
    words = words_of(clamp.at(value))
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Add to the edits",
            key="bos_to_active",
            icon=":material/add:",
            on_click=_add,
            args=(words,),
            help="Add this clamp to the edits in the strip above",
        )
        if st.button(
            "Open on the Audit page",
            key="bos_open",
            icon=":material/troubleshoot:",
            on_click=session.set_words,
            args=(words,),
            help="Replace the edits with this clamp and open the Audit page",
        ):
            session.go_to(session.AUDIT_PAGE)


def _add(words: tuple[str, ...]) -> None:
    session.add_words(words)
    notice.say("The clamp is now one of the edits.")
