"""The workspace of this visitor, in session state and in the address bar.

Its keys belong to no widget: Streamlit forgets a widget's own key as soon as a page does not draw that widget. Widgets
are drawn from the workspace on every run (`show_in`) and write into it in callbacks (`change`).
Knows: session state, the address bar. Does not know: how anything is measured or drawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import streamlit as st

from core import Edits, Engine
from core.prompts.conversation import PromptLike
from pages.shared import links_seen, notice
from pages.shared.workspace import address, fitting, mirrors, shown, state
from pages.shared.workspace.address import Link, Parameters
from pages.shared.workspace.origin import NOT_KNOWN
from pages.shared.workspace.state import MOST_EDITS, Workspace
from pages.shared.workspace.undo import History

_HISTORY = "workspace"
_WRITTEN, _BEFORE, _CHANGED = "workspace_address", "workspace_address_before", "workspace_changed"
_CHECKED, _FIRST, _DRAWN = "workspace_checked", "workspace_first", "workspace_drawn"
_WAITS = "workspace_waits"
_NEVER = object()
#: The files of pages that others lead to, as `app.py` names them.
AUDIT_PAGE, HYDRA_PAGE, BOS_PAGE = "pages/audit/page.py", "pages/hydra/page.py", "pages/bos/page.py"
#: Seconds for which the old address may come in: the browser had not heard of the new one when it was clicked.
_LATE = 1.0


class Request(NamedTuple):
    """What the model is asked, under which edits: hashable, and the key of everything remembered about it."""

    prompt: PromptLike
    edits: Edits


def history() -> History:
    """The present workspace with what can be undone and redone."""
    found = st.session_state.get(_HISTORY)
    return found if isinstance(found, History) else History()


def current() -> Workspace:
    """What this visitor is looking at."""
    return history().present


def change(to: Workspace) -> None:
    """Look at another workspace from now on. Call from a callback, or before anything is drawn from the workspace."""
    if len(to.edits) >= MOST_EDITS > len(current().edits):
        notice.say(f"A set can have at most {MOST_EDITS:,} edits. The others were left out.")
    _keep(history().change(to if current().words or to.edits == current().edits else _of_page(to)))


def settle(to: Workspace) -> None:
    """Look at another workspace from within a run, before the address is written: no click of the visitor's."""
    st.session_state[_HISTORY] = history().change(to)


def undo() -> None:
    """Take back the last change."""
    _keep(history().undo())


def redo() -> None:
    """Make the change again that was taken back."""
    _keep(history().redo())


def set_prompt(text: str) -> None:
    """Ask for another prompt, outside any conversation."""
    change(state.with_other_prompt(current(), text))


def set_words(words: Iterable[str]) -> None:
    """Replace the edits by these, all on."""
    change(_of_page(state.with_words(current(), words)))


def add_words(words: Iterable[str]) -> None:
    """Add edits to those there are, switched on."""
    change(state.with_more_words(current(), words))


def set_both(asked: PromptLike, words: Iterable[str], thinking: bool | None = None) -> None:
    """Another prompt, or conversation, and other edits in one step, which one Undo takes back. thinking: whether the
    model is let think first; None leaves that as it is."""
    now = _of_page(state.with_words(state.with_other_prompt(current(), asked), words))
    change(now if thinking is None else state.with_settings(now, thinking=thinking))


def show_in(key: str, value: Any) -> str:
    """Make the widget with this key show a value of the workspace; call it right before the widget. Returns the key.

    A widget that shows the value already is left alone, or it would jump back under a hand that is still moving it.
    What was drawn before the page was opened this time is gone from the browser, whatever the session says.
    """
    if _is_new(key) or st.session_state.get(key) != value:
        st.session_state[key] = value
    return key


def show_chips(key: str, on: Sequence[str]) -> str:
    """`show_in` for chips, of which these are on. Returns the key."""
    state = None if _is_new(key) else st.session_state.get(key)
    if mirrors.show(key, state, on):
        st.session_state[key] = list(on)
    return key


def on_chips(
    key: str, switched: Callable[[Workspace, Collection[str], Collection[str]], Workspace]
) -> Callable[[], None]:
    """The callback of chips: `switched(workspace, on, off)` is the workspace after a click."""

    def act() -> None:
        mirrors.clicked(key, st.session_state[key] or (), lambda on, off: change(switched(current(), on, off)))

    return act


def on_change(key: str, changed: Callable[[Workspace, Any], Workspace]) -> Callable[[], None]:
    """A widget's callback: `changed(workspace, what the widget says)` is the workspace from then on."""

    def act() -> None:
        change(changed(current(), st.session_state[key]))

    return act


def follow_address() -> None:
    """Take over the workspace from the address bar, when it was not we who wrote that address.

    So a link, Back, Forward and Reload restore what was there. Call at the start of every run; a second call does
    nothing.
    """
    mirrors.settle(other_click=bool(st.session_state.get(_CHANGED)))
    here = address.ours(_whole_address())
    if here == st.session_state.get(_WRITTEN):
        st.session_state.pop(_CHANGED, None)
        return
    clicked = st.session_state.pop(_CHANGED, False)
    if _WRITTEN not in st.session_state:
        notice.add(address.lost(here))
        st.session_state[_HISTORY] = History(address.read(here))
        st.session_state[_WAITS] = bool(here) and links_seen.waits(_whole_address())
        shown.begins(by_link=bool(here))
    elif not clicked and not _is_late(here) and not address.says(here, address.link_to(current()).parameters):
        notice.add(address.lost(here))
        st.session_state[_HISTORY] = history().change(address.read(here))
    st.session_state[_WRITTEN] = here


def waits_for_click() -> bool:
    """Whether another site led here, by an address with settings, and nobody has said yet that it may be opened."""
    return bool(st.session_state.get(_WAITS))


def open_link() -> None:
    """From a click: do what the address asks for, from now on also after a reload."""
    links_seen.welcome(_whole_address())
    st.session_state[_WAITS] = False


def leave_link() -> None:
    """From a click: forget what the address asks for, and begin as without one."""
    st.query_params.from_dict({name: values for name, values in _whole_address().items() if name not in address.NAMES})
    st.session_state[_HISTORY], st.session_state[_WRITTEN] = History(), {}
    st.session_state[_WAITS] = False


def open_with(engine: Engine, first_prompt: str) -> None:
    """Make the workspace one that this engine can work on. first_prompt: asked where there is no prompt yet.

    Edits that the model lacks are left out, of pinned sets too, with a notice. Call once the engine is there, before
    anything is drawn. What is for another model (`shown.is_for_other`) stays: the page asks first what to do with it.
    """
    follow_address()
    st.session_state[_FIRST] = first_prompt
    now = replace(current(), prompt=current().prompt or first_prompt)
    st.session_state[_HISTORY] = replace(history(), present=now)
    if shown.is_for_other(now, engine):
        return
    now, told = shown.of_engine(now, engine)
    notice.add(told)
    st.session_state[_HISTORY] = replace(history(), present=now)
    about = (engine.spec.name, engine.has_direction, now.words, now.pins)
    if st.session_state.get(_CHECKED) == about:
        return
    now, trouble = fitting.fitted(now, engine)
    notice.add(trouble)
    st.session_state[_HISTORY] = replace(history(), present=now)
    st.session_state[_CHECKED] = (engine.spec.name, engine.has_direction, now.words, now.pins)


def request(engine: Engine) -> Request:
    """What is asked now, its edits read once. Raises InputError."""
    now = current()
    return Request(now.asked, fitting.edits_of(now.words_on, engine))


def write_address() -> Link:
    """Put the workspace into the address bar, and return the link. The first example has the page's bare address."""
    now = current()
    link = address.link_to(now)
    here = address.ours(_whole_address())
    bare = not here and _is_first(now)
    parameters: Parameters = {} if bare else link.parameters
    if address.says(here, parameters):
        parameters = here  # one that names no model stays so: another entry would be in Back's way
    else:
        others = {name: values for name, values in _whole_address().items() if name not in address.NAMES}
        st.query_params.from_dict({**others, **parameters})
        st.session_state[_BEFORE] = (here, time.monotonic())
    st.session_state[_WRITTEN] = parameters
    links_seen.welcome(_whole_address())
    return link


def run_ended() -> None:
    """Call at the end of a run: the browser knows the address now, and an older one is a step back in its history."""
    st.session_state.pop(_BEFORE, None)
    mirrors.run_ended()


def parameters() -> Parameters:
    """What a link to another page has to carry so that the workspace goes along."""
    written: Parameters | None = st.session_state.get(_WRITTEN)
    found = address.link_to(current()).parameters
    if written is None or not (address.says(written, found) or (not written and _is_first(current()))):
        return found
    return written  # the first example keeps its bare address, and a link what it does not say


def go_to(page: str) -> None:
    """Open another page with the workspace. page: its file, as `app.py` names it."""
    st.switch_page(page, query_params=parameters())


def _whole_address() -> Parameters:
    """Every parameter of the address, ours and others."""
    return {name: tuple(st.query_params.get_all(name)) for name in st.query_params}


def _is_first(now: Workspace) -> bool:
    """Whether this is the first example, as it is at a bare address."""
    return replace(now, origin=NOT_KNOWN) == Workspace(str(st.session_state.get(_FIRST, "")))


def _of_page(to: Workspace) -> Workspace:
    """`shown.of_page`, and what goes with that is said."""
    found = shown.of_page(current(), to)
    if to.pins and not found.pins:
        notice.say("The pinned sets were the other model’s, and were removed with its edits. “Undo” restores them.")
    return found


def _is_new(key: str) -> bool:
    """Whether the widget has not been drawn since the page was opened this time; from now on it has."""
    drawn: dict[str, object] = st.session_state.setdefault(_DRAWN, {})
    visit = st.session_state.get("visit")
    new = drawn.get(key, _NEVER) != visit
    drawn[key] = visit
    return new


def _keep(found: History) -> None:
    """From a click: what the visitor did on this page counts, whatever the address still says."""
    st.session_state[_HISTORY] = found
    st.session_state[_CHANGED] = True


def _is_late(here: Parameters) -> bool:
    """Whether the address is the one before ours, from a click that was faster than the browser's address bar."""
    before, since = st.session_state.get(_BEFORE, (None, 0.0))
    return bool(here == before and time.monotonic() - since < _LATE)
