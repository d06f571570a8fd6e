"""What the Hydra page asks of the engine, each result remembered under small values.

Knows: `core.hydra` and what its results cost to make. Does not know: widgets or charts. `_engine` is not part of a key
(Streamlit skips underscored arguments); `key` names everything of it that counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import NamedTuple

import pandas as pd
import streamlit as st

from cache.store.provenance import provenance
from core import AssetError, Edits, Engine, Feature
from core.edits.feature_sets import features_of
from core.hydra import (
    HeldParts,
    Links,
    Repair,
    Round,
    Wakening,
    cut_the_heads,
    dose,
    hold_parts,
    leave_one_out,
    matters,
    matters_by,
    refresh,
    repair_with_controls,
)
from core.hydra.tour import Example, Part, measure_part
from core.hydra.tour_file import IDENTITY, StoredTour, read_tour, sae_files_digest
from core.judges.catalogue import find_judge
from core.progress import Progress
from core.prompts.conversation import PromptLike
from pages.shared import references
from pages.shared.kept import Kept
from pages.shared.measurements import HASHES, kl_prompts

#: Sets larger than this are left out layer by layer; so many woken features are watched, and so many tried one by one.
LARGE_SET, WATCHED, ONE_BY_ONE = 120, 100, 40
#: Rounds of head-cutting, at most.
ROUNDS = 8
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
REPAIR_STRENGTHS = (0.25, 0.5, 0.75, 1.0)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def repair(_engine: Engine, key: str, prompt: PromptLike, edits: Edits, strength: float) -> Repair:
    """The edits at `strength` times their own, beside random controls. Raises InputError, AssetError."""
    return repair_with_controls(_engine, prompt, edits.at_strength(strength))


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
    return leave_one_out(_engine, prompt, edits, watched, by="layer" if by == "layer" else "feature", with_bos=with_bos)


def doses(engine: Engine, key: str, prompt: PromptLike, edits: Edits, progress: Progress) -> pd.DataFrame:
    """strength, p, score, woken, kl. Raises InputError."""
    kept, asked = _doses(), (key, prompt, edits)
    if (found := kept.get(asked)) is None:
        found = dose(engine, prompt, edits, STRENGTHS, benign=kl_prompts(engine), progress=progress)
        kept.put(asked, found)
    return found


@st.cache_resource(show_spinner=False)
def _doses() -> Kept:
    """(engine, prompt, edits) → their table at every strength. Not cached data, which could show no progress."""
    return Kept(32)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def mattering(_engine: Engine, key: str, prompt: PromptLike, edits: Edits, by: str) -> pd.DataFrame:
    """Whether what woke carries refusal, as `core.hydra.matters_by` tells it. Raises InputError."""
    found = wakening(_engine, key, prompt, edits)
    return matters_by(_engine, prompt, edits, found, by, ONE_BY_ONE if by == "feature" else None)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASHES)
def mattering_one(_engine: Engine, key: str, prompt: PromptLike, edits: Edits, feature: Feature) -> pd.Series:
    """The same for one feature: the only row of `core.hydra.matters`. Raises InputError."""
    return matters(_engine, prompt, edits, {str(feature): [feature]}).iloc[0]


def strongest_woken(found: Wakening, with_bos: bool, most: int = WATCHED) -> list[Feature]:
    """The features that woke, by largest activation; those that woke at BOS alone only on request."""
    woken = found.woken if with_bos else found.woken[~found.woken["bos_only"]]
    return features_of(woken.head(most))


class Stored(NamedTuple):
    """tour: the one shipped with this model, None where there is none or it is another model's. trouble: why its file
    cannot be read, a sentence."""

    tour: StoredTour | None
    trouble: str = ""


@st.cache_data(max_entries=4, show_spinner=False)
def stored_tour(_engine: Engine, key: str) -> Stored:
    """The tour that was measured once and is shipped with the model."""
    spec = _engine.spec
    if spec.tour is None or not spec.tour.exists():
        return Stored(None)
    try:
        tour = read_tour(spec.tour)
        here = asdict(provenance(_engine)) | {"sae_files": sae_files_digest(spec)}
    except AssetError as error:
        return Stored(None, str(error))
    return Stored(tour if tour.belongs_to({name: here[name] for name in IDENTITY}) else None)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def tour_part(_engine: Engine, key: str, example: Example, part: Part) -> object:
    """One part of the tour's example, measured now. Raises InputError, AssetError."""
    return measure_part(_engine, example, part)


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
            rounds=ROUNDS,
            benign=kl_prompts(engine),
            judge=chosen,
            reference=references.of(engine, prompt),
        )
