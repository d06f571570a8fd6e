"""What a run found, read from its rows, with the decoder rows that comparing it with another run takes.

Knows: a run's ledger, SAEs on this machine. Does not know: the model's weights, which are not needed, or what is
compared (`core.discovery.stability`). Only the rows of features that were found, of candidates, and of a few hundred
random features a layer are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from core.discovery.context import Inputs
from core.discovery.ledger import Ledger, features
from core.discovery.settings import Settings
from core.discovery.stability import Found, Rows
from core.discovery.tables.search import minimal_sets
from core.discovery.tables.table import good_rows
from core.edits.direction import Direction
from core.edits.edits import Feature
from core.edits.feature_sets import top_per_layer
from core.errors import InputError
from core.measures.direction_sources import stored_direction
from core.measures.features import decoder_cosine
from core.models.digest import Digests, sae_digests
from core.models.files import open_dictionaries
from core.models.spec import ModelSpec
from core.progress import NEVER, QUIET, Progress
from core.saes.dictionary import Dictionary
from core.statistics import SEED

#: Random features of each layer that chance draws from, where the SAE has as many.
OTHERS = 512
#: Decoder rows read at a time.
_AT_ONCE = 8192


def largest_k(ledger: Ledger) -> int:
    """The largest K per layer at which a prompt flipped in Stage 1; 0 where none did."""
    return max((value["k"] or 0 for value in good_rows(ledger, "candidates").values()), default=0)


def minimal_features(ledger: Ledger) -> list[Feature]:
    """The features of all smallest verified sets of a run, each once, in order. Raises InputError where it has none."""
    chosen = minimal_sets(ledger)
    if chosen.empty:
        raise InputError("This run has no minimal sets yet. Stage 2 of the search finds them; let it finish.")
    return sorted({feature for names in chosen["features"] for feature in features(names)})


def read_found(
    name: str,
    spec: ModelSpec,
    direction: str,
    saes: str,
    inputs: Inputs,
    settings: Settings,
    ledger: Ledger,
    k: int,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Found:
    """name: what the run is called. direction: the key of the one it used. saes: digests of the SAEs it used, as
    `core.models.digest.Digests.sae_text` has them, empty where they were not kept. k: candidates per layer, the larger
    `largest_k` of the runs compared.

    Raises InputError, and what opening SAEs raises.
    """
    dictionaries = open_dictionaries(spec, progress, cancelled)
    if saes not in ("", Digests("", sae_digests(dictionaries)).sae_text):
        raise InputError(
            f"The SAEs of “{spec.name}” are no longer those that its run used: their files were replaced. Put the "
            "earlier files back, or start the run again with today's."
        )
    d_model = next((one.d_model for one in dictionaries.values()), 0)
    used = stored_direction(spec, d_model)
    if used is None or used.key != direction:
        raise InputError(
            f"The refusal direction of “{spec.name}” is no longer the one that its run used ({direction}). Start the "
            "run again with today's."
        )
    chosen = minimal_sets(ledger)
    sets = {
        inputs.text(item): frozenset(features(names))
        for item, names in zip(chosen["item"], chosen["features"], strict=True)
    }
    pool = _candidates(dictionaries, used, k, settings.excluded_layers) if k else []
    every = sorted({feature for one in sets.values() for feature in one})
    searched = good_rows(ledger, "candidates")
    flipped = {item for item, value in searched.items() if value["k"] is not None}
    if good_rows(ledger, "pruning"):
        flipped = set(chosen["item"])
    return Found(
        name,
        frozenset(map(inputs.text, searched)),
        frozenset(map(inputs.text, flipped)),
        sets,
        _rows(dictionaries, every),
        _rows(dictionaries, pool),
        _rows(dictionaries, _others(dictionaries, every)),
    )


def _candidates(
    dictionaries: Mapping[int, Dictionary], direction: Direction, k: int, excluded: Collection[int]
) -> list[Feature]:
    """Stage 1's pool for K features a layer."""
    parts = []
    for layer, one in dictionaries.items():
        for start in range(0, one.d_sae if layer not in excluded else 0, _AT_ONCE):
            decoder = one.decoders(slice(start, start + _AT_ONCE))
            cosine = decoder_cosine(decoder, direction).numpy()
            index = np.arange(start, start + len(cosine))
            part = pd.DataFrame({"layer": layer, "index": index, "cosine": cosine})
            parts.append(part.nlargest(k, "cosine", keep="all"))
    return top_per_layer(pd.concat(parts), k, skip_layers=0) if parts else []


def _others(dictionaries: Mapping[int, Dictionary], found: Sequence[Feature]) -> list[Feature]:
    """Random features of every layer that anything was found in, at least as many as were found there."""
    generator, counts = np.random.default_rng(SEED), Counter(f.layer for f in found)
    drawn: list[Feature] = []
    for layer, count in sorted(counts.items()):
        size = min(dictionaries[layer].d_sae, max(OTHERS, 2 * count))
        drawn += [Feature(layer, int(i)) for i in np.sort(generator.permutation(dictionaries[layer].d_sae)[:size])]
    return drawn


def _rows(dictionaries: Mapping[int, Dictionary], wanted: Sequence[Feature]) -> Rows:
    """Their decoder rows at length 1. Raises InputError for a feature that the SAE now opened does not have."""
    ordered = sorted(wanted)
    parts = []
    for layer in sorted({f.layer for f in ordered}):
        index = np.array([f.index for f in ordered if f.layer == layer], dtype=np.int64)
        if layer not in dictionaries or index.max() >= dictionaries[layer].d_sae:
            raise InputError(f"The run found features at layer {layer} that the model's SAEs do not have today.")
        decoder = dictionaries[layer].decoders(index).numpy()
        parts.append(decoder / np.maximum(np.linalg.norm(decoder, axis=1, keepdims=True), 1e-12))
    return Rows(tuple(ordered), np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32))
