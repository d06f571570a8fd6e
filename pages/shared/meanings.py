"""What the Features page has read of features, for the cards that other pages make of them.

Knows: results of readings of this process, by engine. Does not know: how anything is read, or what a card is.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core import Feature
from core.card.features import Meaning
from core.semantics.about import About
from pages.shared.kept import Kept


def remember(key: str, found: About) -> None:
    """Keep what a reading says of the features it was about. key: everything of the engine that a number depends on."""
    _kept().put((key,), {**(_kept().get((key,)) or {}), **meanings(found)})


def meanings(found: About) -> dict[Feature, Meaning]:
    """Role, and each category that the feature answers to with the share of its prompts on which it fires."""
    tests = found.tests
    return {
        feature: Meaning(
            found.role(feature),
            {
                name: float(rate)
                for name, rate, answers in zip(
                    tests.names, tests.rate[found.place[feature]], tests.answers[found.place[feature]], strict=True
                )
                if answers
            },
        )
        for feature in found.features
    }


def meaning_of(key: str) -> Callable[[Feature], Meaning | None]:
    """Feature → what was read of it with this engine, None where nothing was."""
    known: dict[Feature, Meaning] = _kept().get((key,)) or {}
    return known.get


@st.cache_resource(show_spinner=False)
def _kept() -> Kept:
    return Kept(8)
