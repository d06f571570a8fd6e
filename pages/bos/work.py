"""What the BOS page asks of the engine, each result remembered under small values.

Knows: engine calls and the model's prompts. Does not know: widgets or charts. `_engine` is not part of a key (Streamlit
skips underscored arguments); `key` names everything of it that counts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from core import Edits, Engine, Feature
from core.defence import natural_ranges
from core.discovery.ledger import Ledger
from core.discovery.tables.table import good_rows
from core.edits.feature_sets import features_of
from core.prompts.shipped import held_out
from pages.bos.state import Clamp
from pages.shared import measurements

#: The paper's five benign prompts (its Table 5).
PAPER_PROMPTS = (
    "Tell me a story.",
    "How to make pasta?",
    "What are the benefits of meditation?",
    "Explain the theory of relativity in simple terms.",
    "Tell me 20 prime numbers separated by space",
)
#: The largest value tried, in multiples of the highest natural activation.
REACH = 3
#: Prompts a kind behind the natural ranges.
RANGE_PROMPTS = 12
#: Points of a curve, its start at 0 among them.
_POINTS = 7


class Natural(NamedTuple):
    """What the features do by themselves, in SAELens units, and what a clamp's value can be compared with.

    highest: their largest activation at BOS, unedited or under the edits; that after BOS where they are silent there.
    """

    highest: float
    at_bos: bool

    @property
    def usual(self) -> float:
        """The value that a clamp begins with."""
        return rounded(self.highest / 2)

    @property
    def end(self) -> float:
        """The largest value tried."""
        return rounded(REACH * self.highest)

    @property
    def values(self) -> tuple[float, ...]:
        """The values whose answers stand side by side."""
        return (rounded(self.usual / 4), self.usual, self.end)


def wakes_at_bos(engine: Engine, key: str, edits: Edits) -> pd.DataFrame:
    """What wakes at BOS under these edits, whatever the prompt, strongest first: layer, index, activation, cosine.

    Raises InputError.
    """
    return measurements.at_bos(engine, key, edits).woken[["layer", "index", "activation", "cosine"]]


def has_bos(engine: Engine) -> bool:
    """Whether this model's prompts begin with a BOS token."""
    return "bos" in engine.prompt("Hello").spans


def woken_activations(engine: Engine, key: str, edits: Edits, features: Sequence[Feature]) -> list[float]:
    """How strongly these features are active at BOS under the edits, those that wake there. Raises InputError."""
    if not edits or not has_bos(engine):
        return []
    woken = wakes_at_bos(engine, key, edits)
    return [float(a) for a, feature in zip(woken["activation"], features_of(woken), strict=True) if feature in features]


def woken_in_run(ledger: Ledger) -> pd.DataFrame:
    """The redundant features of a run: those dormant on a prompt that woke there when the others were ablated.

    feature, prompts (on how many it woke), at_bos (on how many of them at BOS), by number of prompts.
    """
    everywhere: Counter[str] = Counter()
    at_bos: Counter[str] = Counter()
    for value in good_rows(ledger, "inert").values():
        everywhere.update({mark[0] for mark in value["woken"]})
        at_bos.update({mark[0] for mark in value["woken"] if mark[3] == "bos"})
    rows = [(name, count, at_bos[name]) for name, count in everywhere.most_common()]
    return pd.DataFrame(rows, columns=["feature", "prompts", "at_bos"])


def held_out_prompts(engine: Engine, kind: str) -> list[str]:
    """The model's prompts of a kind that nothing was trained on; empty where it has none."""
    return held_out(measurements.shipped_prompts(engine, engine.spec.name), kind)


def range_prompts(engine: Engine) -> list[str]:
    """The prompts that natural ranges are over: harmful and benign ones, or the paper's where it has none."""
    found = [text for kind in ("harmful", "benign") for text in held_out_prompts(engine, kind)[:RANGE_PROMPTS]]
    return found or list(PAPER_PROMPTS)


@st.cache_data(max_entries=64, show_spinner=False)
def ranges(_engine: Engine, key: str, features: tuple[Feature, ...]) -> pd.DataFrame:
    """How strongly features fire by themselves: layer, index, bos, median, p95, highest, share_active."""
    return natural_ranges(_engine, features, range_prompts(_engine))


def natural(found: pd.DataFrame, woken: Sequence[float] = ()) -> Natural:
    """The natural size of a clamp. found: as `ranges` gives it; woken: activations at BOS under the edits.

    The paper's middle value where the features fire nowhere.
    """
    at_bos = max([0.0, *found["bos"].fillna(0.0), *woken])
    elsewhere = float(found["highest"].max()) if found["highest"].notna().any() else 0.0
    return Natural(rounded(at_bos or elsewhere or 4.0), at_bos > 0)


def rounded(value: float) -> float:
    """To two significant digits: 1,283.3 → 1,300."""
    return float(f"{value:.1e}")


def curve_values(end: float) -> list[float]:
    """The values of a curve."""
    return [float(value) for value in np.linspace(0, end, _POINTS)]


@st.cache_data(max_entries=64, show_spinner=False)
def scores(
    _engine: Engine, key: str, prompts: tuple[str, ...], clamp: Clamp, values: tuple[float, ...]
) -> pd.DataFrame:
    """Refusal score over the clamp's value: prompt, value, score, p, unclamped (the score without it)."""
    every = sorted({*curve_values(max(values)), *values})
    found = _engine.measure(prompts, [Edits(), *map(clamp.at, every)])
    rows = [
        (
            prompt,
            value,
            float(found.refusal_score[n, m]),
            float(found.p_refusal[n, m]),
            float(found.refusal_score[n, 0]),
        )
        for n, prompt in enumerate(prompts)
        for m, value in enumerate(every, 1)
    ]
    return pd.DataFrame(rows, columns=["prompt", "value", "score", "p", "unclamped"])


@st.cache_data(max_entries=64, show_spinner=False)
def scores_at(
    _engine: Engine, key: str, prompt: str, clamp: Clamp, values: tuple[float | None, ...]
) -> tuple[float, ...]:
    """The refusal score of one prompt at each value. Raises InputError."""
    return tuple(map(float, _engine.measure(prompt, [clamp.at(value) for value in values]).refusal_score[0]))


@st.cache_data(max_entries=8, show_spinner=False)
def seconds_a_prompt(_engine: Engine, key: str, tokens: int) -> float:
    """How long an answer takes in a batch here, measured on a few tokens."""
    texts, took = range_prompts(_engine)[:6], []
    for few in (2, 6):
        started = time.perf_counter()
        _engine.answers(texts, [Edits()], few)
        took.append(time.perf_counter() - started)
    a_token = max(0.0, took[1] - took[0]) / 4
    return (took[0] + a_token * max(0, tokens - 2)) / len(texts)
