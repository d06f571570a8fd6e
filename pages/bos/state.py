"""What one visitor looks at on the BOS page: the features chosen, and how they are clamped. Small values only.

Knows: session state. Does not know: engines, stores, drawing. The edits are the workspace's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import streamlit as st

from core import Edits, Feature, InputError
from pages.shared import notice

#: The features chosen, those of them that are off, and those clamped while nothing is chosen: no widget's keys, because
#: Streamlit forgets those with the page.
KNOWN, OFF, SUGGESTED, CHIPS = "bos_known", "bos_off", "bos_suggested", "bos_chips"
SOURCE = "bos_source"
VALUE, SLIDER, POSITIONS = "bos_value", "bos_slider", "bos_positions"
CONDITIONAL, SENSOR, THRESHOLD = "bos_conditional", "bos_sensor", "bos_threshold"
SHOWN = "bos_shown"
_NEXT, _TYPED = "bos_next", "bos_set_by_hand"
#: More than this would make every part of the page slow.
MOST = 200


class Clamp(NamedTuple):
    """How features are held, but for the value: hashable, so that results are remembered under it."""

    features: tuple[Feature, ...]
    positions: str = "bos"
    when: tuple[Feature, float] | None = None

    def at(self, value: float | None) -> Edits:
        """The edits at one value; no edit for None. Raises InputError."""
        return Edits() if value is None else Edits.clamp(self.features, value, self.positions, when=self.when)


def chosen() -> tuple[Feature, ...]:
    """The features that are clamped, in order."""
    off = set(st.session_state.get(OFF, ()))
    return tuple(Feature.parse(name) for name in known() if name not in off)


def known() -> tuple[str, ...]:
    """The features that were chosen, clamped or switched off; what was suggested while nobody has chosen any."""
    found: tuple[str, ...] = st.session_state.get(KNOWN, st.session_state.get(SUGGESTED, ()))
    return found


def is_suggested() -> bool:
    """Whether nobody has chosen any features yet."""
    return KNOWN not in st.session_state


def suggest(features: Iterable[Feature]) -> None:
    """Clamp these while nobody has chosen any."""
    names = tuple(dict.fromkeys(map(str, features)))[:MOST]
    if st.session_state.get(SUGGESTED) != names:
        st.session_state[SUGGESTED] = names
        if is_suggested():
            st.session_state[OFF] = ()


def set_by_hand(key: str) -> None:
    """A widget's callback: from now on it keeps what a person put into it."""
    st.session_state[_TYPED] = {*st.session_state.get(_TYPED, ()), key}


def is_set_by_hand(key: str) -> bool:
    """Whether a person has put something into this widget."""
    return key in st.session_state.get(_TYPED, ())


def forget_choice() -> None:
    """Back to what the page suggests, in every widget of the clamp."""
    st.session_state[OFF] = ()
    for key in (SOURCE, KNOWN, VALUE, POSITIONS, CONDITIONAL, SENSOR, THRESHOLD, _TYPED):
        st.session_state.pop(key, None)


def usual(key: str, value: object) -> None:
    """Put a value that follows the features into a widget, until a person puts in another. Before it is drawn."""
    if not is_set_by_hand(key) or key not in st.session_state:
        st.session_state[key] = value


def switch_from_chips() -> None:
    """A click on the chips: what they show as on is clamped from now on."""
    on = set(st.session_state[CHIPS] or ())
    st.session_state[OFF] = tuple(name for name in known() if name not in on)


def select_features(features: Iterable[Feature]) -> None:
    """Clamp these from now on. Call from a callback, or before the chips are drawn."""
    names = tuple(dict.fromkeys(map(str, features)))
    if len(names) > MOST:
        notice.say(f"Only the first {MOST} of {len(names):,} features were used. This page cannot clamp more at once.")
    st.session_state[KNOWN] = names[:MOST]
    st.session_state[OFF] = ()


def add(features: Iterable[Feature]) -> None:
    """Clamp these too."""
    select_features((*chosen(), *features))


def show(defence: str) -> str:
    """Look at this evaluation from the next time the page is drawn; returns it."""
    st.session_state[_NEXT] = defence
    return defence


def take_shown() -> None:
    """Put what `show` was given into the box; before the box is drawn."""
    if defence := st.session_state.pop(_NEXT, None):
        st.session_state[SHOWN] = defence


def numbers(text: str) -> tuple[float, ...]:
    """Values as typed, “2, 4 6”, each once, in order of size. Raises InputError."""
    found = set()
    for word in text.replace(",", " ").replace(";", " ").split():
        try:
            found.add(float(word))
        except ValueError:
            raise InputError(f"“{word[:20]}” is not a number. Write values such as 2, 4, 6, 8.") from None
    if not found:
        raise InputError("No clamp value was given. Write at least one, such as 4.")
    return tuple(sorted(found))
