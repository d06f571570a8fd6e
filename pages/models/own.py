"""One's own models on the Models page: a form that checks what is typed, adding it to the list, taking it off again.

Knows: the form's widgets, the last check of this session. Does not know: how a model is checked, or the file it is kept
in. What was typed stays until it is added.
"""

from __future__ import annotations

import streamlit as st

from core import HydrascopeError
from core.errors import Cancelled
from core.models.added import added_models, list_trouble
from core.models.check_added import Checked, Draft, check_draft
from core.models.registry import forget, remember
from core.text.layers import parse_layers
from pages.shared.engine import newer_request_waits
from pages.shared.text import plain
from pages.shared.trouble import show_error

#: Field → what it holds at first. A field's widget has the key own_<field>.
FIELDS = {"name": "", "model": "", "revision": "", "refusal": "I", "saes": "", "choose": "", "layers": ""}
#: In the session: what the last check found, or its error; what became of the last change, to be shown once.
FOUND, NOTE = "own_found", "own_note"


def add(model_key: str) -> None:
    """The form, what its last check found, and the button that adds it. model_key: of the list it is then chosen in."""
    if told := list_trouble():
        st.warning(plain(told), icon=":material/warning:")
    note = st.session_state.pop(NOTE, None)
    if isinstance(note, HydrascopeError):
        show_error(note)
    elif note:
        st.success(plain(note), icon=":material/check:")
    with st.expander("Add your own model", icon=":material/add:", key="own_box"):
        st.caption(
            "Any causal language model that transformers knows, with SAEs of SAELens that read its residual stream. "
            "Checking reads a few small files; no weights."
        )
        if _form():
            st.session_state[FOUND] = _checked()
        found = st.session_state.get(FOUND)
        if isinstance(found, HydrascopeError):
            show_error(found)
        elif found is not None:
            _found(found, model_key)


def remove(name: str, now: str, model_key: str) -> None:
    """A way to take the model shown off the list, where it is one's own. now: the model in use, which stays."""
    if name not in added_models():
        return
    with st.popover("Remove from the list", icon=":material/delete:", type="tertiary", key="own_remove_box"):
        st.markdown(f"**{plain(name)}** leaves the list. What was downloaded, and what was found with it, stays.")
        st.button(
            "Remove",
            key="own_remove",
            disabled=name == now,
            on_click=_remove,
            args=(name, model_key),
            help="It is in use: use another model first." if name == now else None,
        )


def _form() -> bool:
    """The fields; whether a check was asked for."""
    for field, first in FIELDS.items():
        st.session_state.setdefault(f"own_{field}", first)
    with st.form("own_form", border=False):
        left, right = st.columns(2, gap="medium")
        left.text_input(
            "Name", key="own_name", placeholder="mine", help="What you will call it, here and after --model."
        )
        left.text_input(
            "Model",
            key="own_model",
            placeholder="owner/model, or a folder",
            help="Its name on the hub, or a folder on this machine with config.json, tokenizer and safetensors.",
        )
        left.text_input(
            "Revision", key="own_revision", placeholder="main", help="A branch, a tag or a commit on the hub."
        )
        left.text_input(
            "Refusal word",
            key="own_refusal",
            help="What refusals begin with; its token's probability is the score. Words or token ids, with commas.",
        )
        right.text_input(
            "SAEs",
            key="own_saes",
            placeholder="gemma-scope-2b-pt-res-canonical, or a folder",
            help="A release of SAELens, or release/sae_id; or a folder: a SAELens SAE, or one that holds several.",
        )
        right.text_input(
            "Which SAE",
            key="own_choose",
            placeholder="width_16k",
            help="Where there are several at a layer: parts of the name, or all of it with {layer} for the number.",
        )
        right.text_input(
            "Layers",
            key="own_layers",
            placeholder="all that are found",
            help="Such as 12,13 or 2-16. Fewer layers are a smaller download.",
        )
        return st.form_submit_button("Check", icon=":material/fact_check:", key="own_check")


def _checked() -> Checked | HydrascopeError | None:
    """What the fields come to, or why not; None where the visitor has asked for something else meanwhile."""
    typed = {field: str(st.session_state[f"own_{field}"] or "") for field in FIELDS}
    bar = st.progress(0.0, "Checking")
    try:
        layers = parse_layers(typed.pop("layers"))
        draft = Draft(
            typed["name"], typed["model"], typed["saes"], typed["choose"], layers, typed["refusal"], typed["revision"]
        )
        return check_draft(
            draft, lambda message, share: bar.progress(min(share, 1.0), plain(message)), newer_request_waits
        )
    except Cancelled:
        return None
    except HydrascopeError as error:
        return error
    finally:
        bar.empty()


def _found(found: Checked, model_key: str) -> None:
    with st.container(border=True, key="own_found_box"):
        st.markdown("\n".join(f"- {plain(line)}" for line in found.lines))
        st.button(
            f"Add {plain(found.model.name)}",
            key="own_add",
            type="primary",
            icon=":material/playlist_add:",
            on_click=_add,
            args=(found, model_key),
            help="Nothing is downloaded yet: the list above then says what it takes.",
        )


def _add(found: Checked, model_key: str) -> None:
    try:
        remember(found.model)
    except HydrascopeError as error:
        st.session_state[FOUND] = error
        return
    st.session_state.update({f"own_{field}": first for field, first in FIELDS.items()})
    st.session_state.pop(FOUND, None)
    st.session_state[model_key] = found.model.name
    st.session_state[NOTE] = f"“{found.model.name}” is on your list, and chosen above."


def _remove(name: str, model_key: str) -> None:
    try:
        forget(name)
        st.session_state[NOTE] = f"“{name}” is off your list."
    except HydrascopeError as error:
        st.session_state[NOTE] = error
