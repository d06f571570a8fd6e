"""What the pages ask of the engine, each result remembered under small values.

Knows: engine calls, how long they took, the model's prompts. Does not know: widgets or charts.
`_engine` is not part of a key (Streamlit skips underscored arguments); `key` names everything of it that counts.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from cache.store.database import shared_store
from cache.store.labels import NeuronpediaLabels, labels_of
from core import Edits, Engine, Feature, Measurement, Prompt
from core.answers import thoughts
from core.hydra import BosBaseline, Wakening, bos_baseline, bos_view, refresh
from core.labels.notes import Labels
from core.labels.origins import origins_of
from core.prompts.conversation import Conversation, PromptLike
from core.prompts.shipped import ShippedPrompt, cost_texts, read_shipped, shipped_texts
from core.statistics import mean, means
from pages.shared.kept import Kept
from pages.shared.workspace.session import Request

#: Prompts a side behind the reference bands.
BAND_PROMPTS = 24
#: Where example pairs come from, in this order: plain cases, and none that are hard to read.
EXAMPLE_CATEGORIES = (
    "drugs",
    "laundering tax bribery",
    "homonyms",
    "fraud",
    "theft burglary",
    "hacking",
    "piracy",
    "cybercrime",
    "phishing",
    "illegal drugs",
    "theft",
    "forgery",
    "corruption",
    "everyday",
    "infrastructure evading police",
)


#: How Streamlit tells apart two values of ours that are given to a remembered function.
HASHES: dict[str | type, Any] = {Edits: Edits.to_text, Conversation: repr}


class Side(NamedTuple):
    """One edit set measured on one prompt: log-odds, probability, cosines, and how long the engine took."""

    score: float
    probability: float
    cosine: np.ndarray  # float32 [layers]
    token_cosine: np.ndarray  # float32 [layers, tokens]
    milliseconds: float


class Cost(NamedTuple):
    """What an edit costs on harmless prompts: mean KL at the last position in nats, over `prompts` prompts, and its 95%
    interval over them."""

    kl: float
    prompts: int
    low: float
    high: float


@st.cache_data(max_entries=512, show_spinner=False, hash_funcs=HASHES)
def side(_engine: Engine, key: str, prompt: PromptLike, edits: Edits) -> Side:
    """Measure one prompt under one edit set. Raises InputError."""
    started = time.perf_counter()
    found: Measurement = _engine.measure([prompt], [edits], every_token=True)
    took = 1000 * (time.perf_counter() - started)
    assert found.token_cosine is not None
    _milliseconds_per_token().put((key,), took / len(found.tokens[0]))
    return Side(
        float(found.refusal_score[0, 0]),
        float(found.p_refusal[0, 0]),
        found.cosine[0, 0],
        found.token_cosine[0, 0],
        took,
    )


def sides(engine: Engine, key: str, request: Request) -> tuple[Side, Side]:
    """The prompt without an edit and under the request's; twice the same where it has none. Raises InputError."""
    before = side(engine, key, request.prompt, Edits())
    return before, side(engine, key, request.prompt, request.edits) if request.edits else before


@st.cache_data(max_entries=128, show_spinner=False, hash_funcs=HASHES)
def tokens(_engine: Engine, key: str, prompt: PromptLike) -> Prompt:
    """The prompt as the model reads it. Raises InputError."""
    return _engine.prompt(prompt)


def seconds_of(key: str, length: int) -> float | None:
    """How long one measurement of a prompt of so many tokens takes, by the last one on this engine; None before any."""
    each: float | None = _milliseconds_per_token().get((key,))
    return None if each is None else each * length / 1000


@st.cache_resource(show_spinner=False)
def _milliseconds_per_token() -> Kept:
    """engine → what its last measurement took."""
    return Kept(most=8)


@st.cache_data(max_entries=128, show_spinner=False, hash_funcs=HASHES)
def score_note(_engine: Engine, key: str, prompt: PromptLike) -> str:
    """Why the refusal score is not about the answer's first token, in a sentence; empty where it is."""
    return thoughts.score_note(_engine.runtime, _engine.prompt(prompt))


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def features(_engine: Engine, key: str, prompt: PromptLike) -> pd.DataFrame:
    """Active features, unedited: layer, index, position, token, activation, cosine."""
    return _engine.features(prompt)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def reconstruction(_engine: Engine, key: str, prompt: PromptLike) -> pd.DataFrame:
    """SAE reconstruction error: layer, position, token, norm, error, active."""
    return _engine.reconstruction(prompt)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def effects(_engine: Engine, key: str, prompt: PromptLike, chosen: tuple[Feature, ...]) -> dict[Feature, float]:
    """How far the refusal score moves when each feature alone is ablated, all in one batch. Raises InputError."""
    unedited, *scores = _engine.measure([prompt], [Edits(), *(Edits.ablate([f]) for f in chosen)]).refusal_score[0]
    return {feature: float(score - unedited) for feature, score in zip(chosen, scores, strict=True)}


@st.cache_data(max_entries=4, show_spinner=False)
def alignment(_engine: Engine, key: str) -> pd.DataFrame:
    """Every SAE feature with its cosine to the direction: layer, index, cosine."""
    return _engine.alignment()


@st.cache_resource(max_entries=2, show_spinner=False)
def neuronpedia(_engine: Engine, name: str) -> NeuronpediaLabels:
    """What Neuronpedia said of this model's features, and a way to ask it."""
    return NeuronpediaLabels(shared_store, _engine.spec.neuronpedia)


def labels(engine: Engine, name: str) -> Labels:
    """What is known of each feature: nothing is asked for over a network. Raises AssetError."""
    return _labels(engine, name, str(engine.spec.labels), origins_of(engine))


@st.cache_resource(max_entries=2, show_spinner=False)
def _labels(_engine: Engine, name: str, file: str, origins: dict[int, str]) -> Labels:
    return labels_of(_engine, neuronpedia(_engine, name))


@st.cache_data(max_entries=4, show_spinner=False)
def shipped_prompts(_engine: Engine, name: str) -> list[ShippedPrompt]:
    """The prompts that come with the model, if any. Raises AssetError."""
    return read_shipped(_engine.spec.prompts) if _engine.spec.prompts else []


@st.cache_data(max_entries=4, show_spinner=False)
def bands(_engine: Engine, key: str) -> pd.DataFrame:
    """Cosine per layer over reference prompts: kind, layer, low (10%), median, high (90%), prompts, mean, mean_low,
    mean_high (95% interval of the mean). Empty without any.

    Held-out prompts of the model, unedited: `BAND_PROMPTS` harmful and as many plain benign ones.
    """
    rows = []
    for kind in ("harmful", "benign"):
        texts = shipped_texts(shipped_prompts(_engine, _engine.spec.name), kind, "val", BAND_PROMPTS)
        if not texts or not _engine.has_direction:
            continue
        cosine = _engine.measure(texts, [Edits()]).cosine[:, 0]
        low, median, high = np.nanquantile(cosine, (0.1, 0.5, 0.9), axis=0)
        for layer, one in enumerate(means(cosine)):
            rows.append((kind, layer, low[layer], median[layer], high[layer], one.n, one.value, one.low, one.high))
    columns = ["kind", "layer", "low", "median", "high", "prompts", "mean", "mean_low", "mean_high"]
    return pd.DataFrame(rows, columns=columns)


def kl_prompts(engine: Engine) -> list[str]:
    """The benign prompts that the cost of an edit is measured on."""
    return cost_texts(shipped_prompts(engine, engine.spec.name))


@st.cache_resource(max_entries=2, show_spinner=False)
def _reference(_engine: Engine, key: str) -> Any:
    """The unedited next-token distributions on those prompts; several MB, so kept once and not per edit set."""
    return _engine.reference(kl_prompts(_engine))


@st.cache_data(max_entries=512, show_spinner=False, hash_funcs=HASHES)
def cost(_engine: Engine, key: str, edits: Edits) -> Cost | None:
    """What the edits cost on benign prompts; None where the model has no bundled prompts."""
    texts = kl_prompts(_engine)
    if not texts:
        return None
    if not edits:
        return Cost(0.0, len(texts), 0.0, 0.0)
    found = _engine.kl(texts, [edits], _reference(_engine, key))
    one = mean(found[:, 0])
    return Cost(one.value, one.n, one.low, one.high)


@st.cache_resource(show_spinner=False)
def answers() -> Kept:
    """Answers already written: (engine, request, length) → text."""
    return Kept()


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASHES)
def woken(_engine: Engine, key: str, prompt: PromptLike, edits: Edits) -> int:
    """How many features are silent on this prompt and fire under the edits. Raises InputError."""
    return len(refresh(_engine, prompt, edits).woken)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASHES)
def at_bos(_engine: Engine, key: str, edits: Edits) -> Wakening:
    """Who wakes at BOS, whatever the prompt. Raises InputError."""
    return bos_view(_engine, edits, baseline=_baseline(_engine, key))


@st.cache_resource(max_entries=2, show_spinner=False)
def _baseline(_engine: Engine, key: str) -> BosBaseline:
    """BOS without an edit, a constant of the model."""
    return bos_baseline(_engine)


def first_prompt(pairs: Sequence[tuple[str, str]]) -> str:
    """What a visitor without a link sees audited."""
    return pairs[0][0] if pairs else "How do I bake bread?"


def example_pairs(rows: Sequence[ShippedPrompt]) -> list[tuple[str, str]]:
    """(harmful, look-alike) pairs to try: never trained on, short enough for a chip, one per category in turn."""
    halves: dict[int, dict[str, str]] = {}
    categories: dict[int, str] = {}
    for row in rows:
        if row.pair and row.split in ("val", "test") and row.category in EXAMPLE_CATEGORIES:
            halves.setdefault(row.pair, {})[row.kind] = row.text
            categories[row.pair] = row.category
    by_category: dict[str, list[tuple[str, str]]] = {name: [] for name in EXAMPLE_CATEGORIES}
    for pair, both in halves.items():
        if {"harmful", "lookalike"} <= both.keys() and all(20 <= len(text) <= 52 for text in both.values()):
            by_category[categories[pair]].append((both["harmful"], both["lookalike"]))
    turns = itertools.zip_longest(*(found[:4] for found in by_category.values()))
    return [pair for turn in turns for pair in turn if pair is not None]
