"""Which features the page is about: the active set, those a run needs, a saved list, or those whose label has a word.

Knows: the widgets of the choice. Does not know: what is said of a feature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import streamlit as st

from cache.store.audit_table import AS_LOADED, NOT_KNOWN
from cache.store.database import shared_store
from cache.store.run_file import add_run
from cache.store.runs import Runs
from core import Engine, Feature, HydrascopeError, InputError
from core.discovery.ledger import features
from core.discovery.tables.search import minimal_sets
from core.edits.text import Word
from core.labels.notes import Labels
from core.models.digest import Digests
from pages.shared import measurements, notice, saved_sets
from pages.shared.runs import run_name
from pages.shared.text import counted
from pages.shared.workspace import session
from pages.shared.workspace.state import split

SOURCE, RUN, LIST, WORDS = "features_source", "features_run", "features_list", "features_words"
ACTIVE, A_RUN, A_LIST, SEARCH = "Active set", "A run", "Saved list", "Search"
#: Features that a search shows; more are no set that somebody looks at one by one.
MOST_FOUND = 200


class Chosen(NamedTuple):
    """What the set is called, its features, and feature → how many prompts need it, empty where that is not known."""

    name: str
    features: tuple[Feature, ...] = ()
    needed: Mapping[Feature, int] = MappingProxyType({})


def choose(engine: Engine, labels: Labels) -> Chosen:
    """The choice; no features where there is nothing to look at yet."""
    st.session_state.setdefault(SOURCE, ACTIVE if session.current().features else A_RUN)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="features_source_row"):
        source = st.segmented_control(
            "Features of",
            [ACTIVE, A_RUN, A_LIST, SEARCH],
            key=SOURCE,
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
        if source == A_RUN:
            return _of_a_run(engine)
        if source == A_LIST:
            return _of_a_list(engine)
        if source == SEARCH:
            return _searched(engine, labels)
    found = session.current().features
    if not found:
        st.caption("No edits are on. Choose another source, or switch features off on the Audit page first.")
    return Chosen("active set", found)


def _of_a_run(engine: Engine) -> Chosen:
    runs = Runs(shared_store())
    known = {run.run: run for run in runs.of(engine)}
    if not known:
        st.caption("There are no runs of this model yet. Start one on the Discover page, or search features by words.")
        path = engine.spec.example_run
        if path is not None and path.is_file():
            st.button(
                "Open the example run",
                key="features_example",
                icon=":material/play_circle:",
                on_click=_add_example,
                args=(engine,),
                help="A small run on this model that was carried out before and is shipped with it.",
            )
        return Chosen("run")
    if st.session_state.get(RUN) not in known:
        st.session_state[RUN] = next(iter(known))
    run = str(
        st.selectbox(
            "Run",
            list(known),
            key=RUN,
            format_func=lambda one: run_name(known[one]),
            label_visibility="collapsed",
            width=360,
            persist_state="session",
        )
    )
    sets = [features(names) for names in minimal_sets(runs.ledger(run))["features"]]
    needed = Counter(feature for one in sets for feature in one)
    if not needed:
        st.caption("This run has no minimal sets yet. Stage 2 of the search finds them.")
    return Chosen("minimal sets", tuple(sorted(needed)), dict(needed))


def _add_example(engine: Engine) -> None:
    assert engine.spec.example_run is not None
    try:
        add_run(shared_store(), engine.spec.example_run)
    except HydrascopeError as error:
        notice.say(str(error))


def _of_a_list(engine: Engine) -> Chosen:
    """A saved set of edits, read as the features it names."""
    known = saved_lists(engine.spec.name, engine.runtime.digests)
    if not known:
        st.caption("No list is saved for this model yet. Save the features shown, or import a list, under “List”.")
        return Chosen("list")
    if st.session_state.get(LIST) not in known:
        st.session_state[LIST] = next(iter(known))
    name = str(
        st.selectbox("List", list(known), key=LIST, label_visibility="collapsed", width=360, persist_state="session")
    )
    named, sentence = known[name]
    if sentence:
        st.caption(sentence)
    usable = tuple(feature for feature in named if feature.index < engine.widths.get(feature.layer, 0))
    if len(usable) < len(named):
        st.caption(f"{counted(len(named) - len(usable), 'feature')} of it do not exist in this model's SAEs.")
    return Chosen(name, usable)


def saved_lists(model: str, digests: Digests) -> dict[str, tuple[tuple[Feature, ...], str]]:
    """Name → features of every set of edits that was saved for a model and names any, newest first, and a sentence
    where it is of other files than those that are loaded (`digests`); then its name says so too."""
    found: dict[str, tuple[tuple[Feature, ...], str]] = {}
    for one, files in saved_sets.listed(model, digests):
        try:
            names = dict.fromkeys(Word.parse(word).name for word in split(one.edits))
            named = tuple(Feature.parse(each) for each in names if each != "direction")
        except InputError:  # from a version that wrote edits in another way
            continue
        if named:
            name = {AS_LOADED: one.name, NOT_KNOWN: f"{one.name} · files not known"}.get(files, f"{one.name} · {files}")
            while name in found:  # of still other files
                name += ", earlier"
            found[name] = named, saved_sets.told(files)
    return found


def _searched(engine: Engine, labels: Labels) -> Chosen:
    text = st.text_input(
        "Words in labels",
        key=WORDS,
        type="search",
        live="200ms",
        placeholder="Words of a label, or 12-40, 14-7",
        label_visibility="collapsed",
        width=360,
        persist_state="session",
    )
    words = tuple((text or "").casefold().replace(",", " ").split())
    if not words:
        st.caption("Type words that a label must hold, or features by their names.")
        return Chosen("search")
    found = _found(engine, engine.spec.name, words, labels.version)
    if not found:
        st.caption("No label has all of these words.")
    elif len(found) == MOST_FOUND:
        st.caption(f"The first {MOST_FOUND} are shown. Type more words to see others.")
    return Chosen("found by words", found)


@st.cache_data(max_entries=32, show_spinner="Searching the labels")
def _found(_engine: Engine, model: str, words: tuple[str, ...], labels: tuple[int, ...]) -> tuple[Feature, ...]:
    """labels: their version; a new label may be another answer."""
    return matching(measurements.labels(_engine, model), _engine.widths, words)


def matching(labels: Labels, widths: Mapping[int, int], words: tuple[str, ...]) -> tuple[Feature, ...]:
    """The features that words name, or else the first ones whose label has all of them, without regard to case."""
    try:
        named = tuple(dict.fromkeys(Feature.parse(word) for word in words))
    except InputError:
        named = ()
    if named:
        return tuple(feature for feature in named if feature.index < widths.get(feature.layer, 0))
    found: list[Feature] = []
    for layer, width in widths.items():
        for index in range(width):
            text = labels.label(Feature(layer, index)).casefold()
            if all(word in text for word in words):
                found.append(Feature(layer, index))
                if len(found) == MOST_FOUND:
                    return tuple(found)
    return tuple(found)
