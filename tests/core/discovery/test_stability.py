"""The same search with other SAEs: a permutation of a dictionary is the same one, an independent one is chance."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cache.store.database import Store
from cache.store.runs import Runs
from cache.store.stability import comparable, compare_runs, other_than_saes
from core import Feature, InputError, load
from core.discovery import stability
from core.discovery.runner import run_steps
from core.discovery.stability import Found, Rows, compare, found_overlap, found_value, matched, prompt_overlaps
from core.edits.direction import make_direction, save_direction
from core.measures.direction_sources import computed_file
from core.models import registry
from tests.conftest import D_MODEL, LAYERS, make_sae
from tests.other_saes import permuted
from tests.small_search import INPUTS, SETTINGS, judge

QUICK = replace(SETTINGS, stages=(1, 2), cost_sets=0, length_prompts=1, control_draws=0, k_beside=())
DIRECTION = make_direction(torch.randn(D_MODEL, generator=torch.Generator().manual_seed(9)), 2)


@pytest.fixture(scope="module")
def specs(tiny_spec, tiny_folder, tmp_path_factory):
    """The tiny model with its SAEs, with the same in another order, and with independent, wider ones."""
    folder = tmp_path_factory.mktemp("seeds")
    for layer in LAYERS:
        permuted(tiny_folder / f"layer_{layer}", folder / "b" / f"layer_{layer}", layer)
        make_sae(folder / "c" / f"layer_{layer}", 100 + layer, d_sae=64)
    others = {name: {n: folder / name / f"layer_{n}" for n in LAYERS} for name in "bc"}
    return [replace(tiny_spec, name="tiny-a")] + [
        replace(tiny_spec, name=f"tiny-{name}", saes=saes) for name, saes in others.items()
    ]


@pytest.fixture(scope="module")
def searched():
    """The module's database once it is made, and the names of its runs."""
    return []


@pytest.fixture
def runs(specs, searched, tmp_path_factory, tmp_path):
    """Runs(store) with one finished run of each, and their names. The searches are made once; each test has a copy."""
    for spec in specs:
        registry.register(spec)
        save_direction(DIRECTION, computed_file(spec.name))
    if not searched:
        path = tmp_path_factory.mktemp("searched") / "runs.duckdb"
        store = Runs(Store(path))
        searched.extend((path, [search(store, spec) for spec in specs]))
        store.store.close()
    store = Runs(Store(Path(shutil.copy(searched[0], tmp_path))))
    yield store, searched[1]
    store.store.close()


def search(store, spec):
    """The name of a finished run of `spec`."""
    engine = load(spec, device="cpu", dtype="float32")
    name = store.create(engine, INPUTS, QUICK, spec.name)
    work = store.work(name, engine)
    work.judge = judge
    run_steps(work)
    return name


def rows_of(table):
    return {row["what"]: row for row in table.frame.to_dict("records")}


def test_a_dictionary_in_another_order_finds_the_same(runs):
    store, (a, b, _) = runs
    found = rows_of(compare_runs(store, [a, b]))
    assert len(found) == 4
    for row in found.values():
        assert row["value"] == pytest.approx(1.0, abs=1e-6), row
        assert row["n"] > 3
    sets = found["minimal set of a prompt"]
    assert sets["chance"] < 0.5 and sets["chance, from"] <= sets["chance"] <= sets["chance, to"]


def test_what_else_the_runs_differ_in_is_said(runs):
    store, (a, b, _) = runs
    note = compare_runs(store, [a, b]).note
    assert "differ in more" not in note and "same SAEs" not in note
    one, other = (store.get(run) for run in (a, b))
    changed = replace(other, settings=replace(other.settings, seed=7, tokens_per_forward=9), prompts="other")
    said = other_than_saes([one, changed])
    assert said == "The runs differ in more than their SAEs: prompts, seed. What they share depends on it."
    assert other_than_saes([one, one]) == "The runs have the same SAEs."


def test_an_independent_dictionary_finds_what_chance_gives(runs):
    store, (a, _, c) = runs
    found = rows_of(compare_runs(store, [a, c]))
    for what in ("minimal set of a prompt", "features found, by how many prompts"):
        assert found[what]["value"] <= found[what]["chance among candidates, to"] + 0.02 and found[what]["value"] < 0.2
    flipped = found["prompts flipped"]
    assert flipped["value, from"] <= flipped["value"] <= flipped["value, to"] and flipped["n"] > 3


def test_three_runs_are_compared_two_by_two(runs):
    store, names = runs
    frame = compare_runs(store, names).frame
    assert len(frame) == 3 * 4 and len({(r.first, r.second) for r in frame.itertuples()}) == 3


def test_runs_that_cannot_be_compared_are_one_sentence(runs, specs):
    store, (a, b, _) = runs
    with pytest.raises(InputError, match="at least two different runs"):
        compare_runs(store, [a, a])
    with pytest.raises(InputError, match="There is no run"):
        compare_runs(store, [a, "nowhere"])
    registry.register(replace(specs[1], model_id="another"))
    with pytest.raises(InputError, match="Compare runs of one model"):
        compare_runs(store, [a, b])
    registry.register(replace(specs[1], saes=specs[2].saes))
    other = {n: path.parent.parent / "d" / path.name for n, path in specs[2].saes.items()}
    registry.register(replace(specs[1], saes={n: p.with_name(f"other_{n}") for n, p in other.items()}))
    with pytest.raises(InputError, match="no longer those of run"):
        compare_runs(store, [a, b])
    registry.register(specs[1])
    save_direction(make_direction(torch.ones(D_MODEL), 2), computed_file(specs[1].name))
    with pytest.raises(InputError, match="no longer the one that its run used"):
        compare_runs(store, [a, b])


def test_runs_of_files_that_were_replaced_are_not_compared(runs):
    store, (a, b, _) = runs
    digests = store.get(b).sae_digests
    store.store.rows("update runs set sae_digests = replace(sae_digests, '2:', '2:0') where run = ?", [b])
    with pytest.raises(InputError, match=r"SAEs of “tiny-b” are no longer those that its run used: their files were"):
        compare_runs(store, [a, b])
    store.store.rows("update runs set sae_digests = ? where run = ?", [digests, b])
    store.store.rows("update runs set weights = 'other' where run = ?", [b])
    with pytest.raises(InputError, match=f"Run {b} and run {a} had different weights"):
        compare_runs(store, [a, b])
    store.store.rows("update runs set weights = '', sae_digests = '' where run = ?", [a])  # as from before digests
    assert len(compare_runs(store, [a, b]).frame)


def test_only_runs_of_the_same_model_are_offered(runs, specs, tiny_spec):
    store, names = runs
    assert [run.run for run in comparable(store, specs[0])] == names[::-1]  # the newest first
    assert comparable(store, replace(tiny_spec, model_id="another")) == []


def features(*indices, layer=1):
    return tuple(Feature(layer, i) for i in indices)


def test_features_are_matched_one_to_one_and_only_where_they_point_the_same_way():
    first = Rows(features(0, 1, 2), np.eye(3, 4, dtype=np.float32))
    turned = np.array([[0, 1, 0, 0], [0.8, 0, 0, 0.6], [0.9, 0, 0, 0.43589], [0, 0, 0, 1]], dtype=np.float32)
    second = Rows((*features(5, 6, 7, 8),), turned)
    assert matched(first, second, 0.7) == {Feature(1, 1): Feature(1, 5), Feature(1, 0): Feature(1, 7)}
    assert matched(first, second, 0.95) == {Feature(1, 1): Feature(1, 5)}
    assert matched(first, Rows(features(5, layer=2), turned[:1]), 0.7) == {}


def sets_of(*sets):
    return {f"p{i}": frozenset(features(*indices)) for i, indices in enumerate(sets)}


def test_overlaps_by_hand():
    first, second = sets_of([0, 1], [0], [2]), sets_of([0, 1], [0, 3], [4])
    same, prompts = {f: f for f in features(0, 1, 2, 3, 4)}, ["p0", "p1", "p2"]
    assert prompt_overlaps(first, second, prompts, same).tolist() == [1.0, 0.5, 0.0]
    # Counts 2, 1, 1 and 2, 1, 1, 1: shared 2 + 1, all 4 + 5 − 3.
    assert found_value(first, second, prompts, same) == pytest.approx(3 / 6)
    found = found_overlap(first, second, prompts, same)
    assert found.value == pytest.approx(3 / 6) and found.n == 3 and found.low < 0.5 < found.high
    assert np.isnan(found_overlap(first, second, [], same).value)


def test_prompts_flipped_stand_beside_what_independence_gives():
    prompts = [f"p{i}" for i in range(20)]
    nothing = Rows((), np.zeros((0, 0), dtype=np.float32))

    def run(flipped):
        return Found("r", frozenset(prompts), frozenset(flipped), {}, nothing, nothing, nothing)

    by_hand = []
    generator = np.random.default_rng(0)
    for _ in range(4000):
        one, two = (set(generator.permutation(20)[:10]) for _ in range(2))
        by_hand.append(len(one & two) / len(one | two))
    row = compare(run(prompts[:10]), run(prompts[5:15]))[2]
    assert row["value"] == pytest.approx(5 / 15) and row["n"] == 15
    assert row["chance"] == pytest.approx(np.mean(by_hand), abs=0.01)
    assert row["chance, from"] < 1 / 3 < row["chance, to"]
    everything = compare(run(prompts), run(prompts))[2]
    assert everything["value"] == everything["chance"] == 1.0, "where all flip, agreeing says nothing, and that shows"


def test_the_note_says_what_was_compared(runs):
    store, (a, b, _) = runs
    note = compare_runs(store, [a, b]).note
    assert f"{stability.LEAST_COSINE:g}" in note and str(stability.DRAWS) in note and json.dumps(note)
