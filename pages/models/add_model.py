"""Adding a model to the list on the Models page: a form that checks what is typed, and a way to remove a model again.

Knows: the form's widgets, the last check of this session. Does not know: how a model is checked, or the file that holds
the list. What was typed stays until the model is added.
"""

from __future__ import annotations

import secrets

import streamlit as st

from cache.jobs import models
from cache.jobs.queue import Job, shared_queue
from core import HydrascopeError
from core.models.added import added_models, list_trouble
from core.models.check_added import Checked, Draft
from core.models.registry import forget, remember
from core.text.layers import layers_option
from pages.shared.guard import only_this_machine
from pages.shared.jobs import INSTANT, job_bar, watch
from pages.shared.text import plain
from pages.shared.trouble import show_error

#: Field → what it holds at first. A field's widget has the key add_<field>.
FIELDS = {"name": "", "model": "", "revision": "", "refusal": "I", "saes": "", "choose": "", "layers": ""}
#: In the session: the id of a check under way; what the last check found, or its error; what became of the last change,
#: to be shown once.
CHECK, FOUND, NOTE = "add_check", "add_found", "add_note"


def show_add(model_key: str) -> None:
    """The form, what its last check found, and the button that adds the model.

    model_key: the widget key of the list of models, in which an added model is then selected.
    """
    if trouble := list_trouble():
        st.warning(plain(trouble), icon=":material/warning:")
    note = st.session_state.pop(NOTE, None)
    if isinstance(note, HydrascopeError):
        show_error(note)
    elif note:
        st.success(plain(note), icon=":material/check:")
    with st.expander("Add a model", icon=":material/add:", key="add_box"):
        st.caption(
            "You can add any causal language model that transformers can load, together with SAELens SAEs for its "
            "residual stream. The check downloads a few small files and no weights."
        )
        _form()
        watch(_checking, _progress, key="add_live", every=1.0)
        _take_result()
        found = st.session_state.get(FOUND)
        if isinstance(found, HydrascopeError):
            show_error(found)
        elif found is not None:
            _found(found, model_key)


def show_remove(name: str, now: str, model_key: str) -> None:
    """A way to remove the model shown from the list, where it was added. now: the model in use, which stays."""
    if name not in added_models():
        return
    with st.popover("Remove from the list", icon=":material/delete:", type="tertiary", key="add_remove_box"):
        st.markdown(f"Removes **{plain(name)}** from the list. Its files and results are kept.")
        st.button(
            "Remove",
            key="add_remove",
            disabled=name == now,
            on_click=_remove,
            args=(name, model_key),
            help="This model is in use. Switch to another model first." if name == now else None,
        )


def _form() -> None:
    """The fields, and the button that starts the check."""
    for field, first in FIELDS.items():
        st.session_state.setdefault(f"add_{field}", first)
    with st.container(key="add_form"):  # not a form, whose fields are sent with its button only: text would be lost
        left, right = st.columns(2, gap="medium")
        left.text_input(
            "Name",
            key="add_name",
            persist_state="session",
            placeholder="mine",
            help="The name to use here and after --model on the command line.",
        )
        left.text_input(
            "Model",
            key="add_model",
            persist_state="session",
            placeholder="owner/model, or a folder",
            help="The name on the model hub, or a folder on this machine with config.json, a tokenizer and "
            "safetensors files.",
        )
        left.text_input(
            "Revision",
            key="add_revision",
            persist_state="session",
            placeholder="main",
            help="A branch, a tag or a commit on the hub.",
        )
        left.text_input(
            "Refusal word",
            key="add_refusal",
            persist_state="session",
            help="The first word of this model's refusals. The refusal score is the log-odds of its token. Separate "
            "several words or token ids with commas.",
        )
        right.text_input(
            "SAEs",
            key="add_saes",
            persist_state="session",
            placeholder="gemma-scope-2b-pt-res-canonical, or a folder",
            help="A SAELens release, release/sae_id, or a folder with one or more SAELens SAEs.",
        )
        right.text_input(
            "Which SAE",
            key="add_choose",
            persist_state="session",
            placeholder="width_16k",
            help="Needed if a layer has several SAEs. Type part of the name, or the whole name with {layer} in place "
            "of the number.",
        )
        right.text_input(
            "Layers",
            key="add_layers",
            persist_state="session",
            placeholder="all layers with an SAE",
            help="For example 12,13 or 2-16. Fewer layers mean a smaller download.",
        )
        st.button("Check", icon=":material/fact_check:", key="add_start_check", on_click=_submit)


def _submit() -> None:
    """Start the check of what the fields hold, or keep why it cannot start."""
    queue = shared_queue()
    typed = {field: str(st.session_state[f"add_{field}"] or "") for field in FIELDS}
    st.session_state.pop(FOUND, None)
    if earlier := st.session_state.pop(CHECK, None):
        queue.stop(earlier)
    try:
        layers = layers_option(typed["layers"].strip() or None)
    except HydrascopeError as error:
        st.session_state[FOUND] = error
        return
    draft = Draft(
        typed["name"], typed["model"], typed["saes"], typed["choose"], layers, typed["refusal"], typed["revision"]
    )
    job = models.start_check(queue, draft, secrets.token_hex(8), not only_this_machine())
    st.session_state[CHECK] = job.id
    queue.wait(job.id, INSTANT)


def _job() -> Job | None:
    """The last check of this session, as it stands."""
    return shared_queue().job(st.session_state.get(CHECK, ""))


def _checking() -> bool:
    job = _job()
    return job is not None and job.under_way


def _take_result() -> None:
    """Keep what a check that has ended found: jobs are forgotten one day, and the form is not."""
    job = _job()
    if job is None or job.under_way:
        return
    del st.session_state[CHECK]
    if isinstance(job.result, Checked):
        st.session_state[FOUND] = job.result
    elif job.state == "failed":
        st.session_state[FOUND] = HydrascopeError(job.error)


def _progress() -> None:
    job = _job()
    if job is not None and job.under_way:
        job_bar(job, "add_stop", "The model was not added.")


def _found(found: Checked, model_key: str) -> None:
    with st.container(border=True, key="add_found_box"):
        st.markdown("\n".join(f"- {plain(line)}" for line in found.lines))
        st.button(
            f"Add {plain(found.model.name)}",
            key="add_to_list",
            type="primary",
            icon=":material/playlist_add:",
            on_click=_add,
            args=(found, model_key),
            help="Nothing is downloaded yet. The list above then shows what the model needs.",
        )


def _add(found: Checked, model_key: str) -> None:
    try:
        remember(found.model)
    except HydrascopeError as error:
        st.session_state[FOUND] = error
        return
    st.session_state.update({f"add_{field}": first for field, first in FIELDS.items()})
    st.session_state.pop(FOUND, None)
    st.session_state[model_key] = found.model.name
    st.session_state[NOTE] = f"“{found.model.name}” is now on your list and is selected above."


def _remove(name: str, model_key: str) -> None:
    try:
        forget(name)
        st.session_state[NOTE] = f"“{name}” was removed from your list."
    except HydrascopeError as error:
        st.session_state[NOTE] = error
