"""The Features page: what features are about, and lists of them.

This file is the page's order of things and nothing else. Labels and contexts stand there at once; categories, roles and
scores come from a reading, which is a job.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from cache.store.database import shared_store
from core import Engine, Feature
from core.edits.feature_sets import features_of
from pages.features import cards, lists, maps, prompts, reading, rows, source, table, views, writer
from pages.features.source import Chosen
from pages.shared import measurements, notice, other_model
from pages.shared.engine import engine_key, engine_or_stop
from pages.shared.style import use_style
from pages.shared.text import plain
from pages.shared.trouble import shown_as_sentences
from pages.shared.workspace import session


def features(engine: Engine) -> None:
    """The whole page."""
    store = shared_store()
    for sentence in (store.trouble, store.notice):
        if sentence:
            st.warning(plain(sentence), icon=":material/database_off:")
    if not engine.spec.layers:
        st.info("This model has no SAEs, so it has no features to look at.", icon=":material/info:")
        return
    pairs = measurements.example_pairs(measurements.shipped_prompts(engine, engine.spec.name))
    session.open_with(engine, measurements.first_prompt(pairs))
    if other_model.asks(engine):
        return
    session.write_address()
    if sentence := notice.take():
        st.info(plain(sentence), icon=":material/info:")
    key, labels = engine_key(engine), measurements.labels(engine, engine.spec.name)
    if labels.left_out:
        st.caption(plain(labels.left_out))
    chosen = source.choose(engine, labels)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="features_bar"):
        asked, by = prompts.choose(engine), writer.choose(engine)
        lists_place = st.container(width="content")
        found = reading.result(key, labels, asked, chosen, by)
        if found is None:
            found = reading.kept(engine, key, labels, asked, chosen, by)
        if found is None:
            reading.button(engine, key, labels, asked, chosen, by)
    reading.progress(key, labels, asked, chosen, by)
    if not chosen.features:
        with lists_place:
            lists.popover(engine, labels, [])
        return
    groups = rows.groups_of(chosen, labels, st.session_state.get(rows.NAMES, {}).get(chosen.name, {}))
    frame = rows.rows(chosen, labels, _cosines(engine, chosen), groups, found)
    if found is not None and found.scored_on:
        st.caption(plain(found.scored_on))
    view = views.choose(found is not None)
    kept = frame if view == views.PAPER else rows.filtered(frame, rows.filters(frame, found))
    shown = features_of(kept) if len(kept) else []
    with lists_place:
        lists.popover(engine, labels, shown)
    if view == views.TABLE:
        looked_at = table.draw(kept, len(frame), labels)
        if looked_at is not None:
            cards.card(engine, labels, looked_at, found, "table")
    elif view == views.CARDS:
        cards.several(engine, labels, shown, found)
    elif view == views.MAP and len(kept):
        maps.draw(kept, found)
    elif view == views.GROUPS and len(kept):
        maps.groups(kept, chosen.name)
    elif found is not None and view == views.PAPER:
        maps.tables(found)
    cards.how()


def _cosines(engine: Engine, chosen: Chosen) -> dict[Feature, float]:
    """Of the decoder rows with the refusal direction; none where there is no direction."""
    if not engine.has_direction:
        return {}
    layers, indices = np.array(chosen.features, dtype=np.int64).T
    return dict(zip(chosen.features, engine.reader.cosines(layers, indices).tolist(), strict=True))


use_style()
st.title("What features are about", anchor=False)
st.markdown(
    "Categories of prompts that features answer to, their part in a refusal, and what their labels are worth: for the "
    "active set, for a run, or for features found by words."
)
the_engine = engine_or_stop()
with shown_as_sentences("the Features page"):
    features(the_engine)
