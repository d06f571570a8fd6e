"""The clamp of this page as a setting of the workspace, so that a link, Back and a reload restore it.

Knows: the page's own state and the workspace. Does not know: what a clamp does. What nobody has changed is no part of a
link: who opens it gets what the page suggests.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from core import Edits, Feature, InputError
from core.edits.edits import FeatureEdit
from core.edits.text import Word
from pages.bos import state
from pages.bos.state import Clamp
from pages.shared import notice
from pages.shared.workspace import session
from pages.shared.workspace.state import split, with_settings, words_of

#: The workspace's clamp as the page last took it over or wrote it.
_KNOWN = "bos_link"


@dataclass(frozen=True)
class Held:
    """A clamp with its value, as a link names it."""

    clamp: Clamp
    value: float


def follow(usual_positions: str) -> None:
    """Take over what a link or Back has put into the workspace, else put there what was changed on the page.

    Call when the workspace is there and before it is drawn. usual_positions: where this model's clamps act at first.
    """
    now = session.current()
    if now.settings.clamp != st.session_state.get(_KNOWN, ""):
        if _take(now.settings.clamp):
            st.session_state[_KNOWN] = now.settings.clamp
        else:
            _settle(usual_positions)
    elif state.is_set_by_hand(state.VALUE):  # else the value may be that of other features until the clamp is drawn
        _settle(usual_positions)


def catch_up(usual_positions: str) -> None:
    """When the clamp is drawn: put what was changed into the workspace, and draw the page again where that is news,
    since its address and link stand above the clamp."""
    if _settle(usual_positions):
        notice.draw_again()


def _settle(usual_positions: str) -> bool:
    """Put what was changed on the page into the workspace; whether there was anything new."""
    now, mine = session.current(), _written(usual_positions)
    new = mine != now.settings.clamp
    if new:
        session.settle(with_settings(now, clamp=mine))
    st.session_state[_KNOWN] = session.current().settings.clamp
    return new


def read(text: str) -> Held:
    """The clamp that `text` names, edits as written, of one value, one place and one condition, at full strength.
    Raises InputError."""
    words = [Word.parse(word) for word in split(text)]
    if len({word._replace(name="") for word in words}) != 1 or "direction" in {word.name for word in words}:
        raise InputError(
            f"The link's clamp “{text[:60]}” holds features in different ways. A clamp on this page has one value, one "
            "place and one condition: choose them here."
        )
    if words[0].strength != 1:
        raise InputError(
            f"The link's clamp “{text[:60]}” has the strength {words[0].strength:g}. A clamp on this page acts fully: "
            "choose its value here, or use the Audit page for other strengths."
        )
    edits = Edits.from_text(",".join(split(text)))
    first = next(item for item in edits if isinstance(item, FeatureEdit))
    return Held(Clamp(edits.features, first.positions, first.when), first.value)


def _written(usual_positions: str) -> str:
    """The page's clamp as edits are written; empty where it is as suggested, or cannot be written."""
    now = st.session_state
    changed = (
        not state.is_suggested()
        or state.is_set_by_hand(state.VALUE)
        or now.get(state.CONDITIONAL)
        or now.get(state.POSITIONS, usual_positions) != usual_positions
    )
    if not changed or not state.chosen() or state.VALUE not in now:
        return ""
    try:
        when = None
        if now.get(state.CONDITIONAL) and now.get(state.SENSOR):
            when = Feature.parse(now[state.SENSOR]), float(now.get(state.THRESHOLD) or 0.0)
        clamp = Clamp(state.chosen(), now.get(state.POSITIONS, usual_positions), when)
        return ",".join(words_of(clamp.at(float(now[state.VALUE] or 0.0))))
    except InputError:
        return ""


def _take(text: str) -> bool:
    """Make the page show this clamp; an empty one is what the page suggests. Whether it can be shown."""
    if not text:
        state.forget_choice()
        return True
    try:
        held = read(text)
    except InputError as error:
        notice.say(str(error))
        return False
    state.select_features(held.clamp.features)
    st.session_state[state.VALUE] = held.value
    state.set_by_hand(state.VALUE)
    st.session_state[state.POSITIONS] = held.clamp.positions
    st.session_state[state.CONDITIONAL] = held.clamp.when is not None
    if held.clamp.when is not None:
        sensor, threshold = held.clamp.when
        st.session_state[state.SENSOR], st.session_state[state.THRESHOLD] = str(sensor), threshold
    return True
