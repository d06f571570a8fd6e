"""What was chosen for another model than the one that is loaded: a sentence, and what can be done, before anything is
computed with it.

A link can be of another model, and another tab can change the model: the process has one for all visitors. Knows: the
workspace, the names of models. Does not know: how a model is loaded, or how anything is measured.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core import Engine, HydrascopeError, ModelSpec
from core.edits.named_layers import named_layers
from core.models.registry import find_spec
from pages.shared import model_loading, notice
from pages.shared.jobs import watch
from pages.shared.text import plain
from pages.shared.workspace import session, shown
from pages.shared.workspace.origin import Origin, other_layers
from pages.shared.workspace.state import Workspace, without_choice


def asks(engine: Engine, shows_load: bool = True) -> bool:
    """Whether the workspace is for another model or other SAEs than this engine's; then the question is drawn, and the
    page should draw nothing else. shows_load: whether to show a load under way too. Call after `session.open_with`."""
    now = session.current()
    if not shown.is_for_other(now, engine):
        return False
    session.write_address()
    here = shown.here(engine)
    wanted = _spec(now.origin.model) if now.origin.model != here.model else None
    with st.container(key="other_model"):
        st.warning(_sentence(now, here, known=wanted is not None), icon=":material/swap_horiz:")
        with st.container(horizontal=True, gap="small"):
            _buttons(now, here, wanted)
        if sentence := notice.take():
            st.info(plain(sentence), icon=":material/info:")
        if shows_load:
            watch(model_loading.under_way, model_loading.bars, key="other_model_load", every=1.0)
        if wanted is not None:
            model_loading.outcome(wanted)
    return True


def _buttons(now: Workspace, here: Origin, wanted: ModelSpec | None) -> None:
    if wanted is not None:
        st.button(
            f"Use {plain(wanted.name, most=40)}",
            key="other_model_go",
            type="primary",
            disabled=model_loading.under_way(),
            on_click=model_loading.start,
            args=(wanted,),
            help="Loads that model. Then every page uses it, for every visitor.",
        )
    if not now.chosen:
        st.button(f"Stay with {plain(here.model, most=40)}", key="other_model_drop", on_click=_drop, args=(here,))
        return
    st.button(
        "Remove the edits",
        key="other_model_drop",
        on_click=_drop,
        args=(here,),
        help="Removes all edits, pinned sets and the clamp on the BOS page, and keeps the prompt. “Undo” restores the "
        "edits and pinned sets.",
    )
    st.button(
        f"Use them with {plain(here.model, most=40)}",
        key="other_model_keep",
        on_click=_keep,
        args=(here,),
        help="Edits the features that have the same layers and numbers here, where there are such features.",
    )


def _sentence(now: Workspace, here: Origin, known: bool) -> str:
    """What was chosen for which model, and which is loaded, as Markdown."""
    link, loaded = shown.came_by_link(), plain(here.model, most=60)
    what = "This link is" if link else "The edits were chosen"
    layers = other_layers(now.origin, here, named_layers(now.chosen))
    if now.origin.model == here.model:
        named = f"layer{'s' * (len(layers) > 1)} {', '.join(map(str, layers))}"
        said = f"{what} for other SAEs ({named}) than **{loaded}** has now: a number may stand for another feature."
    else:
        said = f"{what} for the model **{plain(now.origin.model, most=60)}**, and **{loaded}** is loaded"
        said += ": a number may stand for another feature there." if now.chosen else "."
        said += "" if known else " No model of the first name is known here."
    return f"{said} Nothing is computed until you choose."


def _spec(name: str) -> ModelSpec | None:
    """The model of that name, if it is known here; a link may name any."""
    try:
        return find_spec(name)
    except HydrascopeError:
        return None


def _drop(here: Origin) -> None:
    session.change(without_choice(session.current(), here))


def _keep(here: Origin) -> None:
    session.change(replace(session.current(), origin=here))
