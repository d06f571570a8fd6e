"""Key-value caches of transformers: some of their rows, and several joined into one.

Knows: the layers of a cache, whose keys and values are [rows, heads, tokens, size]. Does not know: prompts, or models.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad


def select(past: Any, rows: list[int], shared: bool = False) -> Any:
    """A copy of the key-value cache `past` with the named rows, in that order; a row may be named many times.

    shared: layers that hold one row for all rows keep it so.
    """
    cache = copy.deepcopy(past)
    for layer in cache.layers:
        if not (shared and len(layer.keys) == 1):
            layer.batch_select_indices(torch.tensor(rows))
    return cache


def joined(parts: Sequence[Any], rows: Sequence[int]) -> Any:
    """One key-value cache of the rows of several, each right-padded to the longest.

    rows: how many each is to have; a layer that holds one row for all of them gets so many. The parts are used up,
    layer by layer, so that at no time both are held whole.
    """
    longest = max(parts, key=lambda one: one.get_seq_length())  # it knows how many tokens there are
    for number, layer in enumerate(longest.layers):
        every = [one.layers[number] for one in parts]
        for name in ("keys", "values"):
            width = getattr(layer, name).shape[-2]
            found = [
                pad(getattr(one, name).expand(many, -1, -1, -1), (0, 0, 0, width - getattr(one, name).shape[-2]))
                for one, many in zip(every, rows, strict=True)
            ]
            for one in every:
                setattr(one, name, None)
            setattr(layer, name, torch.cat(found))
    return longest
