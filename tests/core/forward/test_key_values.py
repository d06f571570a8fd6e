"""Rows of key-value caches: taken, and joined from several passes."""

import torch

from core import Edits, Feature
from core.forward.batches import prefix_pass
from core.forward.key_values import joined, select
from tests.oracles import PROMPTS


def test_a_prefix_s_cache_can_be_taken_by_several_rows_and_stays_as_it_was(tiny):
    prompt, plan = tiny.prompt(PROMPTS[0]), tiny.runtime.plan([Edits(), Edits.ablate([Feature(1, 3)])])
    _, past = prefix_pass(tiny.runtime, plan, prompt, [0, 1], 4)
    taken = select(past, [1, 0, 1])
    assert past.layers[0].keys.shape[0] == 2 and taken.layers[0].keys.shape[0] == 3
    assert torch.equal(taken.layers[0].keys, past.layers[0].keys[[1, 0, 1]])


def test_caches_of_different_lengths_are_joined_row_by_row(tiny):
    """The longest is not the last; a cache with one row stands for two."""
    prompt, plan = tiny.prompt(PROMPTS[0]), tiny.runtime.plan([Edits()])
    parts = [prefix_pass(tiny.runtime, plan, prompt, [0] * rows, length)[1] for rows, length in ((1, 6), (2, 4))]
    before = [select(part, list(range(len(part.layers[0].keys)))) for part in parts]
    whole = joined(parts, [2, 2])
    assert whole.get_seq_length() == 6
    for layer, long, short in zip(whole.layers, before[0].layers, before[1].layers, strict=True):
        for name in ("keys", "values"):
            found = getattr(layer, name)
            assert found.shape[0] == 4 and found.shape[2] == 6
            assert torch.equal(found[:2], getattr(long, name)[[0, 0]])
            assert torch.equal(found[2:, :, :4], getattr(short, name)) and not found[2:, :, 4:].any()
