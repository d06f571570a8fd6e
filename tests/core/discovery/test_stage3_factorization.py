"""The factorization machine against the pairwise sum written out, and on data whose labels are an interaction."""

import numpy as np
import pytest
import torch

from core.discovery.stage3_factorization import (
    FactorizationMachine,
    SparseRows,
    fit,
    nearest,
    similar_embeddings,
    split_rows,
)


def random_rows(rng, rows=12, columns=15, share=0.4):
    dense = rng.normal(size=(rows, columns)).astype(np.float32) * (rng.random((rows, columns)) < share)
    dense[1] = 0  # an empty row
    return dense, SparseRows.from_lists([(np.flatnonzero(x), x[np.flatnonzero(x)]) for x in dense])


def brute_force(machine, dense):
    x = torch.from_numpy(dense)
    out = []
    for row in x:
        y = machine.bias + (machine.weight * row).sum()
        for i in range(len(row)):
            for j in range(i + 1, len(row)):
                y = y + machine.embedding[i] @ machine.embedding[j] * row[i] * row[j]
        out.append(y)
    return torch.stack(out)


@pytest.mark.parametrize("size", [1, 5])
def test_it_is_the_pairwise_formula_and_so_are_its_gradients(size):
    rng = np.random.default_rng(size)
    dense, rows = random_rows(rng)
    machine = FactorizationMachine(dense.shape[1], size)
    with torch.no_grad():
        machine.bias.fill_(0.3)
        machine.weight.copy_(torch.randn(machine.weight.shape))
        machine.embedding.copy_(torch.randn(machine.embedding.shape))
    upstream = torch.randn(len(dense))
    found, expected = machine(rows), brute_force(machine, dense)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    mine = torch.autograd.grad((found * upstream).sum(), list(machine.parameters()))
    theirs = torch.autograd.grad((expected * upstream).sum(), list(machine.parameters()))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_rows_are_taken_in_the_order_asked_for_also_twice_and_empty():
    dense, rows = random_rows(np.random.default_rng(0))
    order = np.array([3, 1, 3, 0])
    taken = rows.take(order)
    again = np.zeros((4, dense.shape[1]), dtype=np.float32)
    for row in range(4):
        part = slice(taken.offset[row], taken.offset[row + 1])
        again[row, taken.column[part]] = taken.value[part]
    np.testing.assert_array_equal(again, dense[order])


def interaction(rng, rows=1500, columns=400, width=1_000_000):
    """Label 1 where two marked columns stand together, or neither does: nothing linear tells it."""
    place = np.sort(rng.choice(width, columns, replace=False))
    lists, labels = [], []
    for _ in range(rows):
        one, two = rng.random(2) < 0.5
        some = set(rng.choice(np.arange(2, columns), 20, replace=False))
        chosen = sorted(some | ({0} if one else set()) | ({1} if two else set()))
        lists.append((place[chosen], np.where(np.array(chosen) < 2, 3.0, 1.0)))
        labels.append(int(one == two))
    return SparseRows.from_lists(lists), np.array(labels), place


def test_it_learns_an_interaction_over_a_million_columns_in_little_memory():
    rows, labels, place = interaction(np.random.default_rng(0))
    split = split_rows(labels, 0)
    fitted = fit(rows, labels, split, size=5, epochs=12, learning_rate=2e-2)
    accuracy = ((fitted.score > 0) == (labels[split.test] > 0)).mean()
    assert accuracy > 0.9 and len(fitted.curve) == 12
    assert fitted.embedding.shape == (len(fitted.columns), 5) and len(fitted.columns) <= 400
    one, two = (int(np.flatnonzero(fitted.columns == place[i])[0]) for i in (0, 1))
    assert fitted.embedding[one] @ fitted.embedding[two] * 9 > 1  # the interaction itself, not the crowd of others
    best = fitted.curve[fitted.best]
    assert best.validation_accuracy == max(e.validation_accuracy for e in fitted.curve)


def test_a_split_takes_every_row_once_with_equal_shares_of_the_labels():
    labels = np.array([0, 1] * 50)
    split = split_rows(labels, 3)
    parts = (split.training, split.validation, split.test)
    assert sorted(np.concatenate(parts)) == list(range(100)) and [len(p) for p in parts] == [80, 10, 10]
    assert [int(labels[p].sum()) for p in parts] == [40, 5, 5]


def test_columns_met_only_in_the_test_part_change_nothing():
    rows, labels, _ = interaction(np.random.default_rng(1), rows=60, columns=40)
    split = split_rows(labels, 0)
    fitted = fit(rows, labels, split, epochs=2)
    odd = SparseRows(rows.offset, np.where(np.isin(rows.column, fitted.columns), rows.column, 10**9), rows.value)
    np.testing.assert_array_equal(fit(odd, labels, split, epochs=2).score, fitted.score)


def test_training_ends_early_on_held_out_rows_and_keeps_what_it_kept():
    """Labels without a pattern: the validation loss soon rises. Patience saves epochs and changes no other."""
    rng = np.random.default_rng(3)
    lists = [(np.sort(rng.choice(60, 15, replace=False)), np.ones(15)) for _ in range(80)]
    rows, labels = SparseRows.from_lists(lists), rng.permutation([0, 1] * 40)
    split = split_rows(labels, 0)
    whole, early = (fit(rows, labels, split, 4, 60, 3e-2, patience=patience) for patience in (0, 4))
    assert len(whole.curve) == 60 and early.curve == whole.curve[: len(early.curve)]
    losses = [epoch.validation_loss for epoch in early.curve]
    assert len(early.curve) < 60 and len(losses) - 1 - int(np.argmin(losses)) == 4


def test_how_far_embeddings_have_moved():
    rows, labels, _ = interaction(np.random.default_rng(2), rows=80, columns=30)
    split = split_rows(labels, 0)
    still, moved = (fit(rows, labels, split, 5, 3, rate) for rate in (1e-7, 1e-1))
    assert still.moved > 0.999 > 0.9 > moved.moved
    assert np.isnan(fit(rows, labels, split, 0, 1).moved)


def test_nearest_columns_by_the_embeddings_cosine():
    rows, labels, _ = interaction(np.random.default_rng(2), rows=80, columns=30)
    fitted = fit(rows, labels, split_rows(labels, 0), epochs=1)
    to = fitted.columns[[2, 5]]
    unit = fitted.embedding / np.linalg.norm(fitted.embedding, axis=1, keepdims=True)
    expected = sorted(
        (c for c in fitted.columns if c not in to),
        key=lambda c: -max(unit[np.flatnonzero(fitted.columns == c)[0]] @ unit[[2, 5]].T),
    )
    np.testing.assert_array_equal(nearest(fitted, [*to, 999_999_999], 10), expected[:10])
    assert len(nearest(fitted, [999_999_999], 10)) == 0
    on_average = sorted(expected, key=lambda c: -np.mean(unit[np.flatnonzero(fitted.columns == c)[0]] @ unit[[2, 5]].T))
    np.testing.assert_array_equal(nearest(fitted, to, 10, "mean"), on_average[:10])
    assert on_average != expected


def test_embeddings_that_all_point_one_way_are_seen():
    assert similar_embeddings(np.ones((50, 5)) + np.random.default_rng(0).normal(size=(50, 5)) * 0.05).mean() > 0.99
    assert abs(similar_embeddings(np.random.default_rng(0).normal(size=(500, 50))).mean()) < 0.01
