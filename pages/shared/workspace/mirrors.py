"""Widgets that show one set twice, like chips and a table's ticks: each is drawn from the workspace, each changes it.

Streamlit sends the state of every widget with every click. Where the page has just set a widget, a click made before
the browser heard of it brings that widget's older state along, which looks like a click on the widget itself. So a
state is compared with every set that the browser may still show, and only what differs from the nearest is a click.
Knows: session state, time. Does not know: the workspace, or which widgets there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import streamlit as st

#: What a click does, given the members it switched on and those it switched off.
Change = Callable[[frozenset, frozenset], None]
_SHOWN, _UNSURE, _ENDED = "mirrors_shown", "mirrors_unsure", "mirrors_ended"
#: Seconds after which the browser shows what the page has set, while the run that set it goes on, and after its end. An
#: older state is then a click back to it.
HEARD, AFTER_THE_END = 1.0, 0.1


class Shown(NamedTuple):
    """What the browser may show: the newest set last. since: when that was set, in seconds of a monotonic clock."""

    sets: tuple[frozenset, ...]
    since: float


class Unsure(NamedTuple):
    """A state that is either older than what the page has set, or a click back to it."""

    key: str
    change: Change
    added: frozenset
    removed: frozenset


def show(key: str, state: Iterable[Hashable] | None, now: Iterable[Hashable]) -> bool:
    """Call right before the widget is drawn. state: what it said last, None where it is new in the browser; now: what
    it is to show. Returns whether it has to be set.
    """
    shown, wanted = _all_shown(), frozenset(now)
    said = wanted if state is None else frozenset(state)
    before = shown[key].sets if key in shown and state is not None else ()
    if said != wanted:
        sets = (*(each for each in before if each not in (said, wanted)), said, wanted)
        shown[key] = Shown(sets, time.monotonic())
        st.session_state.pop(_ENDED, None)
    else:
        shown[key] = Shown((wanted,), time.monotonic())
    return state is None or said != wanted


def clicked(key: str, state: Iterable[Hashable], change: Change) -> None:
    """Call from the widget's callback: calls `change` with what was switched on and off, now or in `settle`."""
    shown = _all_shown().get(key)
    sets = shown.sets if shown else (frozenset[Hashable](),)
    said = frozenset(state)
    added, removed = difference(said, sets)
    if added or removed:
        change(added, removed)
    elif said != sets[-1]:
        st.session_state[_UNSURE] = Unsure(key, change, said - sets[-1], sets[-1] - said)


def settle(other_click: bool) -> None:
    """Call when all callbacks have run. other_click: whether another widget was clicked. An older state that came
    without another click, long after the page had set a newer one, is a click after all.
    """
    unsure: Unsure | None = st.session_state.pop(_UNSURE, None)
    if unsure is None or other_click:
        return
    now, ended = time.monotonic(), st.session_state.get(_ENDED)
    over = ended is not None and now - ended >= AFTER_THE_END
    if over or now - _all_shown()[unsure.key].since >= HEARD:
        unsure.change(unsure.added, unsure.removed)


def run_ended() -> None:
    """Call at the end of a run: the browser has what it set in a moment."""
    st.session_state[_ENDED] = time.monotonic()


def difference(state: frozenset, sets: Sequence[frozenset]) -> tuple[frozenset, frozenset]:
    """What this state has more, and has less, than the nearest of the sets; the newest of those equally near."""
    nearest = min(reversed(sets), key=lambda each: len(each ^ state))
    return state - nearest, nearest - state


def _all_shown() -> dict[str, Shown]:
    found: dict[str, Shown] = st.session_state.setdefault(_SHOWN, {})
    return found
