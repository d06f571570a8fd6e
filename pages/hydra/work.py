"""What the Hydra page asks of the engine, each result remembered under small values.

Knows: `core.hydra` and what its results cost to make. Does not know: widgets or charts. `_engine` is not part of a key
(Streamlit skips underscored arguments); `key` names everything of it that counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pandas as pd
import streamlit as st

from core import Edits, Engine, Feature
from core.edits.feature_sets import features_of
from core.hydra import (
    HeldParts,
    Links,
    Round,
    SelfRepair,
    Wakening,
    cut_the_heads,
    dose,
    hold_parts,
    leave_one_out,
    matched_edits,
    matters,
    refresh,
    self_repair,
)
from core.judges.catalogue import find_judge
from core.prompts.conversation import PromptLike
from pages.shared import references
from pages.shared.kept import Kept
from pages.shared.measurements import HASHES, kl_prompts

#: Sets larger than this are left out layer by layer; so many woken features are watched, and so many tried one by one.
LARGE_SET, WATCHED, ONE_BY_ONE = 120, 100, 40
STILL_REFUSES = 1.0
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
REPAIR_STRENGTHS = (0.25, 0.5, 0.75, 1.0)


class Repair(NamedTuple):
    """Self-repair under the edits, under each control draw, and how many of these remove as much."""

    found: SelfRepair
    controls: tuple[SelfRepair, ...]
    matched: int


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def repair(_engine: Engine, key: str, prompt: PromptLike, edits: Edits, strength: float) -> Repair:
    """The edits at `strength` times their own, beside random controls. Raises InputError, AssetError."""
    acting = edits.at_strength(strength)
    control = matched_edits(_engine, prompt, acting)
    found, *drawn = self_repair(_engine, prompt, [acting, *control.draws])
    return Repair(found, tuple(drawn), control.matched)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def held(
    _engine: Engine, key: str, prompt: PromptLike, edits: Edits, strength: float, parts: tuple[tuple[int, str], ...]
) -> HeldParts:
    """The same edits while `parts`, each a layer and “attention” or “mlp”, are held. Raises InputError."""
    return hold_parts(_engine, prompt, edits.at_strength(strength), parts)


def repair_frame(repair: Repair) -> pd.DataFrame:
    """Every number of the view: edits (“edits”, “control 1” …), then the columns of `SelfRepair.blocks`."""
    several = {"edits": repair.found} | {f"control {n}": one for n, one in enumerate(repair.controls, start=1)}
    return pd.concat([one.blocks.assign(edits=name) for name, one in several.items()], ignore_index=True)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASHES)
def wakening(_engine: Engine, key: str, prompt: PromptLike, edits: Edits) -> Wakening:
    """Who wakes on this prompt. Raises InputError."""
    return refresh(_engine, prompt, edits)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def held_down(_engine: Engine, key: str, prompt: PromptLike, edits: Edits, by: str, with_bos: bool) -> Links | None:
    """Who wakes whom, among the strongest that woke; None where nothing did. Raises InputError."""
    watched = strongest_woken(wakening(_engine, key, prompt, edits), with_bos)
    if not watched:
        return None
    return leave_one_out(_engine, prompt, edits, watched, by="layer" if by == "layer" else "feature")


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def doses(_engine: Engine, key: str, prompt: PromptLike, edits: Edits) -> pd.DataFrame:
    """strength, p, score, woken, kl. Raises InputError."""
    return dose(_engine, prompt, edits, STRENGTHS, benign=kl_prompts(_engine))


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def mattering(_engine: Engine, key: str, prompt: PromptLike, edits: Edits, by: str) -> pd.DataFrame:
    """Whether what woke carries refusal, as `core.hydra.matters` tells it, but with controls as differences. Largest
    drop first; empty where nothing woke."""
    found = wakening(_engine, key, prompt, edits)
    groups: dict[str, list[Feature]] = {}
    for feature in strongest_woken(found, True, most=ONE_BY_ONE if by == "feature" else len(found.marks)):
        groups.setdefault(str(feature) if by == "feature" else f"layer {feature.layer}", []).append(feature)
    if not groups:
        return pd.DataFrame()
    frame = matters(_engine, prompt, edits, groups)
    for column in ("control", "control_low", "control_high"):
        frame[column] -= frame["score"]
    return frame.sort_values("difference", ignore_index=True)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def too_few(_engine: Engine, key: str, prompt: PromptLike, features: tuple[Feature, ...]) -> list[Feature]:
    """The first of `features` in order, as many as leave the refusal score above `STILL_REFUSES`; at least one."""
    sets = [Edits.ablate(features[:count]) for count in range(1, len(features) + 1)]
    scores = _engine.measure([prompt], sets).refusal_score[0]
    kept = [count for count, score in enumerate(scores, start=1) if score > STILL_REFUSES]
    return list(features[: max(kept, default=1)])


def strongest_woken(found: Wakening, with_bos: bool, most: int = WATCHED) -> list[Feature]:
    """The features that woke, by largest activation; those that woke at BOS alone only on request."""
    woken = found.woken if with_bos else found.woken[~found.woken["bos_only"]]
    return features_of(woken.head(most))


@st.cache_resource(show_spinner=False)
def rounds() -> Kept:
    """Rounds of head-cutting already played: (engine, request, rule, judge) → rounds."""
    return Kept(64)


def play(engine: Engine, prompt: PromptLike, edits: Edits, rule: str, judge: str) -> Iterator[Round]:
    """Cut the heads, a round at a time, the answers judged by the judge of that name. Raises InputError."""
    with closing(find_judge(judge, engine=engine)) as chosen:
        yield from cut_the_heads(
            engine,
            prompt,
            edits,
            rule="aligned" if rule == "aligned" else "all",
            benign=kl_prompts(engine),
            judge=chosen,
            reference=references.of(engine, prompt),
        )
