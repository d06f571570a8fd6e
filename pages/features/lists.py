"""A list of features with a name: saved, exported as Neuronpedia's lists are, and imported.

Knows: the widgets of the popover. Does not know: how a list is written down (`core.semantics.lists`). A list is a saved
set of edits, so that the strip of every other page offers it too.
"""

from __future__ import annotations

import streamlit as st

from cache.store.audits import Audits
from cache.store.database import shared_store
from core import Engine, Feature, InputError
from core.labels.notes import Labels
from core.semantics.lists import FeatureList, quick_list, read_list, write_list
from core.semantics.words import explanation
from pages.features import source
from pages.shared import measurements, notice
from pages.shared.saved_sets import kept_as
from pages.shared.text import counted
from pages.shared.workspace.state import words_for

NAME, UPLOAD = "features_list_name", "features_list_file"
WITHOUT = "No features are shown. Choose some first."


def popover(engine: Engine, labels: Labels, features: list[Feature]) -> None:
    """Save, export and import."""
    with st.popover("List", icon=":material/bookmark:", type="tertiary", key="features_list_box"):
        st.caption(f"{counted(len(features), 'feature')} shown now.")
        none = not features
        name = st.text_input(
            "Name of the list",
            key=NAME,
            max_chars=60,
            disabled=none,
            placeholder="writers of layer 15",
            persist_state="session",
            help=WITHOUT if none else None,
        )
        st.button(
            "Save the features shown",
            key="features_save",
            icon=":material/bookmark_add:",
            disabled=none,
            on_click=_save,
            args=(engine, features),
            width="stretch",
            help=WITHOUT
            if none
            else "It appears under “Saved list” here and under “Saved sets” in the strip of other pages.",
        )
        st.download_button(
            "Export as JSON",
            lambda: exported(engine, labels, (name or "").strip() or "Hydrascope", features),
            "hydrascope-features.json",
            "application/json",
            key="features_export",
            icon=":material/download:",
            disabled=none,
            on_click="ignore",
            width="stretch",
            help=WITHOUT if none else "In the format of Neuronpedia's lists",
        )
        there = measurements.neuronpedia(engine, engine.spec.name)
        if address := quick_list(
            FeatureList((name or "").strip() or "Hydrascope", tuple(features)), engine.spec, there.site
        ):
            st.link_button("Open as a list on Neuronpedia", address, icon=":material/open_in_new:", width="stretch")
        st.file_uploader(
            "Import a list (JSON)", type=["json"], key=UPLOAD, on_change=_import, args=(engine,), max_upload_size=10
        )


def exported(engine: Engine, labels: Labels, name: str, features: list[Feature]) -> str:
    """The list as Neuronpedia writes lists, each feature described by its label."""
    notes = {feature: explanation(labels.label(feature)) for feature in features}
    return write_list(FeatureList(name, tuple(features), "Exported from Hydrascope", notes), engine.spec)


def _save(engine: Engine, features: list[Feature]) -> None:
    name = (st.session_state.get(NAME) or "").strip()[:60]
    if not name:
        notice.say("Type a name for the list first.")
        return
    notice.say(kept_as(name, _keep(engine, name, features)))


def _import(engine: Engine) -> None:
    """Keep an uploaded list under its name, and look at it."""
    given = st.session_state.get(UPLOAD)
    if given is None:
        return
    try:
        found = read_list(given.getvalue().decode("utf-8", "replace"), engine.spec, given.name)
        wanted = (found.name.strip() or given.name.removesuffix(".json"))[:60]
        name = _keep(engine, wanted, list(found.features))
    except InputError as error:
        notice.say(str(error))
        return
    st.session_state.update({source.SOURCE: source.A_LIST, source.LIST: name})
    notice.say(f"{kept_as(wanted, name, 'Imported')} It has {counted(len(found.features), 'feature')}.")


def _keep(engine: Engine, name: str, features: list[Feature]) -> str:
    """The name that it is kept under."""
    words = ",".join(words_for(features))
    return Audits(shared_store()).save_set(engine.spec.name, engine.runtime.digests, name, words)
