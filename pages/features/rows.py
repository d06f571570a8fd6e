"""One row a feature with everything that is known of it, and the filters: pure functions, and the filters' widgets.

Knows: labels, cosines, what was read. Does not know: how a table or a card is drawn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core import Feature
from core.labels.notes import Labels
from core.semantics.about import About
from core.semantics.groups import Groups, group_labels, renamed
from core.semantics.roles import ROLES
from core.semantics.words import kind_of
from pages.features.source import Chosen

SEARCH, LAYERS, ROLE, VERDICT, CATEGORY, KIND, SURE, GROUP = (
    f"features_{name}" for name in ("search", "layers", "role", "verdict", "category", "kind", "sure", "group")
)
#: Names that a person gave to groups in this session: (set, old name) → new name.
NAMES = "features_group_names"
VERDICTS = ("single category", "several", "mixed", "none")


@dataclass(frozen=True)
class Filters:
    """What has to hold of a row; an empty one holds of every row."""

    search: str = ""
    layers: Collection[int] = ()
    roles: Collection[str] = ()
    verdicts: Collection[str] = ()
    categories: Collection[str] = ()
    kinds: Collection[str] = ()
    groups: Collection[str] = ()
    better_than_chance: bool = False


def groups_of(chosen: Chosen, labels: Labels, names: Mapping[str, str]) -> Groups:
    """feature → the name of its label's group, as a person renamed it."""
    return renamed(group_labels({feature: labels.label(feature) for feature in chosen.features}), names)


def rows(
    chosen: Chosen, labels: Labels, cosines: Mapping[Feature, float], groups: Groups, found: About | None
) -> pd.DataFrame:
    """feature, layer, index, label, source, kind, group, cosine, prompts (that need it), and where it was read:
    verdict, categories, strongest in, area, role, effect, low, high, score, shuffled, better."""
    every = []
    for feature in chosen.features:
        note, text = labels.note(feature), labels.label(feature)
        row: dict[str, object] = {
            "feature": str(feature),
            "layer": feature.layer,
            "index": feature.index,
            "label": text,
            "source": note.origin if note and note.label else "",
            "kind": kind_of(text),
            "group": groups[feature],
            "cosine": cosines.get(feature),
            "prompts": chosen.needed.get(feature),
        }
        every.append(row | (_read(feature, found) if found is not None else {}))
    return pd.DataFrame(every)


def _read(feature: Feature, found: About) -> dict[str, object]:
    place, effect, score = found.place[feature], found.evidence[feature].effect, found.scores.get(feature)
    tests = found.tests
    answered = [name for name, yes in zip(tests.names, tests.answers[place], strict=True) if yes]
    return {
        "verdict": tests.verdict(place),
        "categories": ", ".join(answered),
        "strongest in": tests.best(place),
        "area": float(tests.area[place].max()),
        "role": found.role(feature),
        "effect": effect.value if effect else None,
        "low": effect.low if effect else None,
        "high": effect.high if effect else None,
        "score": score.area if score else None,
        "shuffled": score.shuffled if score else None,
        "better": score.verdict if score else None,
    }


def filtered(frame: pd.DataFrame, by: Filters) -> pd.DataFrame:
    """The rows that fit. A filter on what was not read holds of no row."""
    kept = frame
    for word in by.search.casefold().split():
        text = (kept["feature"] + " " + kept["label"] + " " + kept["group"]).str.casefold()
        kept = kept[text.str.contains(word, regex=False)]
    wanted: list[tuple[str, Collection[object]]] = [
        ("layer", by.layers),
        ("role", by.roles),
        ("verdict", by.verdicts),
        ("strongest in", by.categories),
        ("kind", by.kinds),
        ("group", by.groups),
    ]
    for column, values in wanted:
        if values:
            kept = kept[kept[column].isin(list(values))] if column in kept else kept.iloc[:0]
    if by.better_than_chance:
        kept = kept[kept["better"].eq("yes")] if "better" in kept else kept.iloc[:0]
    return kept.reset_index(drop=True)


def filters(frame: pd.DataFrame, found: About | None) -> Filters:
    """The widgets, in a row: a search box and a popover with the others."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="features_filters"):
        search = st.text_input(
            "Search",
            key=SEARCH,
            type="search",
            live="200ms",
            placeholder="Search feature, label or group",
            label_visibility="collapsed",
            persist_state="session",
        )
        with st.popover("Filter", icon=":material/filter_list:", type="tertiary", key="features_filter"):
            layers = _several("Layers", sorted(set(frame["layer"])), LAYERS)
            kinds = _several("Label about", sorted(set(frame["kind"])), KIND)
            groups = _several("Label's group", sorted(set(frame["group"])), GROUP)
            if found is None:
                st.caption("Read the features to filter by category, role and label score.")
                return Filters(search or "", layers, kinds=kinds, groups=groups)
            verdicts = _several("Verdict", VERDICTS, VERDICT)
            categories = _several("Strongest in", found.tests.names, CATEGORY)
            roles = _several("Role", ROLES, ROLE)
            sure = st.toggle("Labels better than chance only", key=SURE, persist_state="session")
    return Filters(search or "", layers, roles, verdicts, categories, kinds, groups, sure)


def _several(name: str, options: Sequence, key: str) -> list:
    """A multiselect whose choice outlives a set that lacks an option."""
    if key in st.session_state:
        st.session_state[key] = [one for one in st.session_state[key] if one in options]
    return list(st.multiselect(name, options, key=key, placeholder="all", width=240, persist_state="session"))
