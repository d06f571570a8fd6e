"""Control sets: what they remove by plain sums over positions, and that they are matched layer by layer."""

import numpy as np
import pytest

from core import Feature
from core.discovery.control_sets import TOLERANCE, ActiveLayer, matched, strongest_unaligned


def layer(number, features=80, positions=12, d_model=16, seed=0):
    rng = np.random.default_rng([number, seed])
    activation = (rng.random((features, positions)) < 0.4) * rng.exponential(2.0, (features, positions))
    activation[:, 1] += 0.1  # each fires somewhere
    decoder = rng.normal(size=(features, d_model))
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    index = np.sort(rng.choice(500, features, replace=False))
    cosine = rng.uniform(-0.3, 0.3, features).astype(np.float32)
    return ActiveLayer(number, index, activation.astype(np.float32), decoder.astype(np.float32), cosine, 500)


def removed_norm(layers, features, number):
    """The norm of what features of one layer remove, written out position by position."""
    found = layers[number]
    total = 0.0
    for position in range(found.activation.shape[1]):
        gone = np.zeros(found.decoder.shape[1])
        for feature in features:
            for row in np.flatnonzero(found.index == feature.index) if feature.layer == number else ():
                gone += float(found.activation[row, position]) * found.decoder[row].astype(np.float64)
        total += gone @ gone
    return total**0.5


@pytest.fixture
def layers():
    return {3: layer(3), 7: layer(7)}


@pytest.fixture
def like(layers):
    """Active and dormant features of two layers: three and one of layer 3, five and two of layer 7."""
    dormant = {n: [i for i in range(500) if i not in layers[n].index] for n in layers}
    active = [Feature(3, int(i)) for i in layers[3].index[:3]] + [Feature(7, int(i)) for i in layers[7].index[10:15]]
    return [*active, Feature(3, dormant[3][0]), *(Feature(7, i) for i in dormant[7][:2])]


def counts(layers, features, active):
    return {n: sum(f.layer == n and (f.index in layers[n].index) == active for f in features) for n in layers}


@pytest.mark.parametrize("draw", range(8))
def test_a_draw_is_matched_in_layer_count_and_norm_removed(layers, like, draw):
    found = matched(layers, like, np.random.default_rng(draw))
    for active in (True, False):
        assert counts(layers, found.features, active) == counts(layers, like, active)
    assert not set(found.features) & set(like) and found.short == 0 and found.matched
    norms = {n: (removed_norm(layers, found.features, n), removed_norm(layers, like, n)) for n in layers}
    for mine, wanted in norms.values():
        assert abs(mine - wanted) <= TOLERANCE * wanted * 1.0001
    mine, wanted = (sum(pair[i] for pair in norms.values()) for i in (0, 1))
    assert found.removed == pytest.approx(mine / wanted, rel=1e-5)


def test_draws_differ_and_one_seed_is_one_draw(layers, like):
    draws = [matched(layers, like, np.random.default_rng(seed)).features for seed in (0, 0, 1, 2, 3)]
    assert draws[0] == draws[1] and len(set(draws)) == 4


def test_a_draw_without_the_norm_misses_it(layers, like):
    """What the old control did: as many features by layer, whatever they remove. Most such draws are far off."""
    rng, off = np.random.default_rng(0), []
    for _ in range(50):
        rows = rng.choice(np.flatnonzero(~np.isin(layers[3].index, [f.index for f in like if f.layer == 3])), 3, False)
        mine = removed_norm(layers, [Feature(3, int(i)) for i in layers[3].index[rows]], 3)
        off.append(abs(mine / removed_norm(layers, like, 3) - 1) > TOLERANCE)
    assert np.mean(off) > 0.5


def test_what_cannot_be_matched_says_so(layers):
    strongest = np.argsort(-layers[3].strength())[:4]
    like = [Feature(3, int(i)) for i in layers[3].index[strongest]]
    weak = {3: ActiveLayer(3, layers[3].index, layers[3].activation.copy(), layers[3].decoder, layers[3].cosine, 500)}
    weak[3].activation[np.setdiff1d(np.arange(80), strongest)] *= 0.01
    found = matched(weak, like, np.random.default_rng(0))
    assert not found.matched and found.removed < 0.1 and found.short == 0
    few = {
        3: ActiveLayer(
            3, *(part[:5] for part in (weak[3].index, weak[3].activation, weak[3].decoder)), weak[3].cosine[:5], 500
        )
    }
    every = [Feature(3, int(i)) for i in few[3].index[:4]]
    assert matched(few, every, np.random.default_rng(0)).short == 3


def test_the_strongest_unaligned_are_those_that_remove_most_alone(layers, like):
    found = strongest_unaligned(layers, like, 0.1)
    for number, here in layers.items():
        alone = {int(i): removed_norm(layers, [Feature(number, int(i))], number) for i in here.index}
        aligned = {int(i) for i, c in zip(here.index, here.cosine, strict=True) if abs(c) >= 0.1}
        barred = aligned | {f.index for f in like if f.layer == number}
        expected = sorted((i for i in alone if i not in barred), key=lambda i: -alone[i])
        mine = [f.index for f in found.features if f.layer == number]
        assert sorted(mine) == sorted(expected[: counts(layers, like, True)[number]])


def test_a_set_of_dormant_features_removes_nothing_and_so_does_its_control(layers):
    dormant = [Feature(3, i) for i in range(500) if i not in layers[3].index][:3]
    found = matched(layers, dormant, np.random.default_rng(0))
    assert len(found.features) == 3 and found.matched and np.isnan(found.removed)
    assert not any(f.index in layers[3].index for f in found.features)
