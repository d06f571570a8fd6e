"""Stage 2 against the algorithm as it is printed in the paper, one forward at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import Edits, Feature, InputError
from core.discovery.stage2_pruning import READINGS, THRESHOLDS, draw_blocks, prune, relative_change
from tests.oracles import PROMPTS

POOL = tuple(Feature(layer, index) for layer in (1, 2, 3) for index in range(9))


def literal(pool, probability, threshold, seed, block_size, reading):
    """Algorithm 1, line by line, every P computed when it is asked for. Blocks are drawn as a shuffle draws them."""
    order = list(np.random.default_rng(seed).permutation(len(pool)))
    whole, candidates, kept = list(pool), list(pool), []
    while len([f for f in candidates if f not in kept]) >= block_size:  # line 4
        block, order = [pool[i] for i in order[:block_size]], order[block_size:]  # line 5
        base = candidates if reading == "shrinking" else whole
        before = probability([tuple(f for f in base if f not in kept)])[0]
        after = probability([tuple(f for f in base if f not in kept and f not in block)])[0]
        if relative_change(before, after) >= threshold:  # line 6
            kept += block  # line 7
        else:
            candidates = [f for f in candidates if f not in block]  # line 9
    return set(kept)


def on_the_engine(tiny, prompt, together):
    def probability(sets):
        if together:
            return tiny.measure([prompt], [Edits.ablate(s) for s in sets]).p_refusal[0]
        return np.array([tiny.measure([prompt], [Edits.ablate(s)]).p_refusal[0, 0] for s in sets])

    return probability


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("prompt", PROMPTS[:2])
def test_it_keeps_what_the_literal_algorithm_keeps_feature_for_feature(tiny, prompt, reading):
    thresholds = (0.003, 0.01, 0.03, 0.1, 0.3)
    found = prune(POOL, on_the_engine(tiny, prompt, True), thresholds, seeds=(0, 1), reading=reading)
    alone = on_the_engine(tiny, prompt, False)
    sizes = set()
    for run in found.runs:
        for t in thresholds:
            assert run.kept[t] == literal(POOL, alone, t, run.seed, 5, reading), (run.seed, t)
            sizes.add(len(run.kept[t]))
    assert len(sizes) > 2  # thresholds that tell blocks apart, or nothing was compared
    for t in thresholds:
        assert set(found.minimal[t]) == found.runs[0].kept[t] & found.runs[1].kept[t]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 30), st.integers(1, 7), st.integers(0, 5), st.sampled_from(READINGS), st.floats(0.001, 2), st.data()
)
def test_any_probabilities_at_all(size, block_size, seed, reading, threshold, data):
    """Also 0, and jumps up and down: the probability of a set is drawn when it is first met."""
    pool, drawn = [Feature(1, i) for i in range(size)], {}
    numbers = st.sampled_from([0.0, 1e-9, 0.1, 0.2, 0.5, 0.9, 1.0])

    def probability(sets):
        return np.array([drawn.setdefault(frozenset(s), data.draw(numbers)) for s in sets])

    found = prune(pool, probability, [threshold], [seed], block_size, reading)
    assert found.runs[0].kept[threshold] == literal(pool, probability, threshold, seed, block_size, reading)


def test_the_shrinking_reading_needs_one_set_a_block_for_all_thresholds():
    asked = []

    def probability(sets):
        asked.extend(sets)
        return np.linspace(0.9, 0.1, len(sets))

    found = prune(POOL, probability, THRESHOLDS, (0, 1, 2))
    assert found.measured == len(asked) == 3 * (len(POOL) // 5 + 1)
    assert asked[0] == POOL and len(asked[1]) == len(POOL) - 5


def test_blocks_are_disjoint_and_leave_fewer_than_a_block():
    blocks = draw_blocks(POOL, 5, 3)
    flat = [f for b in blocks for f in b]
    assert len(flat) == len(set(flat)) == len(POOL) // 5 * 5 and set(flat) <= set(POOL)
    assert blocks != draw_blocks(POOL, 5, 4) and blocks == draw_blocks(POOL, 5, 3)


def test_a_feature_named_twice_counts_once():
    found = prune([POOL[0]] * 12 + list(POOL[:4]), lambda sets: np.array([0.5 / (1 + len(s)) for s in sets]))
    assert len(found.runs[0].blocks) == 0 and found.measured == 0 and found.minimal[0.1] == ()


@pytest.mark.parametrize(
    "wrong", [{"block_size": 0}, {"seeds": ()}, {"thresholds": (0,)}, {"thresholds": (float("nan"),)}, {"reading": "x"}]
)
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(InputError):
        prune(POOL, lambda sets: np.ones(len(sets)), **wrong)
