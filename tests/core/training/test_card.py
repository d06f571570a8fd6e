"""The card's figures: identities that hold for a perfect and a useless dictionary, and a slow oracle."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from core.saes.columns import Columns
from core.training.card import Sae, counted_tokens, fidelity, figures, losses, make_card, random_dictionary
from core.training.record import record


def perfect(d: int) -> Sae:
    """Each coordinate and its negative as features: x = Σ relu(±x)·(±e)."""
    both = torch.cat([torch.eye(d), -torch.eye(d)])
    return Sae(Columns(both, both, torch.zeros(2 * d), torch.zeros(2 * d)), torch.zeros(d))


@pytest.fixture
def rows() -> np.ndarray:
    return torch.randn(300, 8, generator=torch.Generator().manual_seed(0)).half().numpy()


def test_a_perfect_dictionary_explains_everything(rows) -> None:
    found = fidelity(perfect(8), rows)
    assert found.explained_variance == pytest.approx(1.0, abs=1e-6)
    assert found.l0 == pytest.approx(8, abs=0.05) and found.silent == 0 and found.tokens == 300


def test_a_dictionary_that_gives_the_mean_explains_nothing(rows) -> None:
    mean = torch.from_numpy(rows.astype(np.float32)).mean(0)
    zero = torch.zeros(5, 8)
    found = fidelity(Sae(Columns(zero, zero, torch.zeros(5), torch.ones(5)), mean), rows)
    assert found.explained_variance == pytest.approx(0.0, abs=1e-5)
    assert found.l0 == 0 and found.silent == 1.0 and found.density == (0, 0, 0)


def test_the_random_dictionary_has_the_wanted_number_of_active_features(rows) -> None:
    chance = random_dictionary(perfect(8), rows, l0=4.0)
    found = fidelity(chance, rows)
    assert found.l0 == pytest.approx(4.0, abs=0.1)
    assert 0 < found.explained_variance < 1


def test_cross_entropy_equals_a_plain_forward(plain, chats) -> None:
    few = chats._replace(rows=chats.rows[:5])
    found, same = losses(plain, few, 1, [None, lambda x: x], budget=64).sum(1) / counted_tokens(few)
    total = counted = 0.0
    for row in few.rows:
        ids = torch.tensor([[*few.prefix, *row]])
        logits = plain(ids).logits[0, len(few.prefix) : -1].detach()
        total += float(cross_entropy(logits, ids[0, len(few.prefix) + 1 :], reduction="sum"))
        counted += len(row) - 1
    assert counted_tokens(few) == counted
    assert found == pytest.approx(total / counted, rel=1e-5)
    assert same == pytest.approx(found, rel=1e-6)


def test_replacing_the_residuals_reaches_what_comes_after(plain, chats) -> None:
    few = chats._replace(rows=chats.rows[:5])
    clean, zeroed = losses(plain, few, 1, [None, torch.zeros_like])
    assert (abs(zeroed - clean) > 1e-3).any()
    assert (losses(plain, few, 1, [None])[0] == clean).all(), "the hook is gone"


def test_a_card_of_a_perfect_dictionary(plain, chats, tmp_path) -> None:
    few = chats._replace(rows=chats.rows[:8])
    recording = record(plain, few, (1,), tmp_path, weights="own")
    card = make_card(perfect(32), recording.rows(1), plain, few, 1)
    assert card["explained_variance"] == pytest.approx(1, abs=1e-5)
    assert card["ce_recovered"] == pytest.approx(1, abs=1e-4)
    assert card["random"]["explained_variance"] < card["explained_variance"]
    assert card["random"]["l0"] == pytest.approx(card["l0"], rel=0.2)
    assert card["width"] == 64 and card["layer"] == 1 and card["conversations"] == 8
    low, high = card["random"]["intervals"]["explained_variance"]
    assert low < card["random"]["explained_variance"] < high


def test_figures_do_not_depend_on_where_conversations_end(rows) -> None:
    sae = random_dictionary(perfect(8), rows, l0=4.0)
    whole, cut = fidelity(sae, rows), fidelity(sae, rows, [100, 50, 150])
    assert whole.explained_variance == pytest.approx(cut.explained_variance) and whole.l0 == pytest.approx(cut.l0)
    low, high = cut.intervals["explained_variance"]
    assert low < cut.explained_variance < high and whole.intervals["silent"] == cut.intervals["silent"]


def test_the_interval_of_what_is_recovered_is_of_the_figure_beside_it(rows) -> None:
    """Also where zeros in place of the residuals lowered the loss of some conversations."""
    rng = np.random.default_rng(0)
    unedited = rng.uniform(5, 6, 40)
    zeroed = unedited + rng.normal(0.5, 0.6, 40)
    replaced = unedited + rng.uniform(0.1, 0.3, 40)
    found = figures(fidelity(perfect(8), rows, [len(rows)]), unedited, replaced, zeroed, 400)
    low, high = found["intervals"]["ce_recovered"]
    assert (zeroed < unedited).any() and low < found["ce_recovered"] < high
    assert found["ce_recovered"] == pytest.approx((zeroed - replaced).sum() / (zeroed - unedited).sum())
