"""Which engine a page shows in this session, and whether what the visitor looks at was chosen for another one.

The process has one model for all visitors, so another tab can change it between two clicks of this one. Knows: session
state, engines' names and SAEs. Does not know: the address bar, or how anything is measured or drawn.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core import Engine
from core.edits.named_layers import named_layers
from pages.shared.workspace.origin import Origin, is_other, origin
from pages.shared.workspace.state import Workspace, without_choice

_SHOWN, _BY_LINK = "workspace_shown", "workspace_by_link"


def here(engine: Engine) -> Origin:
    """What is chosen on a page with this engine is of it."""
    return origin(engine.spec.name, engine.runtime.digests.saes)


def shows(engine: Engine) -> None:
    """From here on the page shows this engine: what is clicked there is of it, whatever the process loads meanwhile."""
    st.session_state[_SHOWN] = here(engine)


def begins(by_link: bool) -> None:
    """The visit begins, by an address that asks for something or by a bare one."""
    st.session_state[_BY_LINK] = by_link


def came_by_link() -> bool:
    """Whether what the visitor looks at is still what an address asked for that the visit began with."""
    return bool(st.session_state.get(_BY_LINK))


def is_for_other(now: Workspace, engine: Engine) -> bool:
    """Whether a workspace was chosen for another model, or for other SAEs, than this engine's. A prompt by itself is
    for any model, unless a link with another model's name led here."""
    return bool(now.chosen or came_by_link()) and is_other(now.origin, here(engine), named_layers(now.chosen))


def of_engine(now: Workspace, engine: Engine) -> tuple[Workspace, str]:
    """The workspace as this engine's, and a sentence where the model was another before, or nothing says for which
    model its features were chosen."""
    st.session_state[_BY_LINK] = False
    told = ""
    if now.origin.model not in ("", engine.spec.name):
        told = f"The model in use is {engine.spec.name} now. Before, it was {now.origin.model}."
    elif not now.origin.model and named_layers(now.chosen):
        told = f"The link does not say for which model its features were chosen. They are used with {engine.spec.name}."
    return replace(now, origin=here(engine)), told


def of_page(now: Workspace, to: Workspace) -> Workspace:
    """A workspace with edits in place of all that there are now: they are of the model that the page shows, and what
    else was chosen for another model goes with its edits."""
    shown: Origin | None = st.session_state.get(_SHOWN)
    if shown is None:
        return to
    if not is_other(now.origin, shown, named_layers(now.chosen)):
        return replace(to, origin=shown)
    return replace(without_choice(to, shown), edits=to.edits)
