"""Categories from firing: planted features are found, common ones are not, and shuffled categories fall to chance."""

from __future__ import annotations

import numpy as np
import pytest

from core.semantics.categories import LEAST_RATE, CategoryTests, categorise
from core.semantics.counts import CORRECTED, PAPER, by_type, counts
from core.statistics import area_under_curve, rate
from tests.core.semantics import planted

DRUGS, EVERY, COMMON, AT_BOS, RARE, SILENT = range(6)


@pytest.fixture(scope="module")
def planted_firing():
    """Features that fire on drugs; on all harmful prompts; on everything; at BOS only; on one prompt; never."""
    generator = np.random.default_rng(0)
    noise = generator.random((planted.ALL_PROMPTS, 6))
    on = np.zeros_like(noise)
    on[list(planted.ROWS["drugs"]), DRUGS] = 1
    on[: len(planted.CATEGORIES) * planted.EACH, EVERY] = 1
    on[:, COMMON] = 1
    on[5, RARE] = 1
    bos = np.zeros_like(noise)
    bos[:, AT_BOS] = 50
    return planted.firing(on * (1 + noise), other=bos)


@pytest.fixture(scope="module")
def found(planted_firing) -> CategoryTests:
    columns = [planted_firing.features[0]._replace(index=i) for i in range(6)]
    return categorise(planted_firing, planted.prompts(), columns)


def test_verdicts(found):
    assert [found.verdict(i) for i in range(6)] == ["single category", "several", "mixed", "none", "mixed", "none"]
    assert found.best(DRUGS) == "drugs" and found.best(COMMON) == ""
    assert found.answers[EVERY].all() and found.rate[RARE].max() == 1 / planted.EACH >= LEAST_RATE


def test_the_papers_definition_counts_bos_and_a_single_token(found):
    assert found.fires[[COMMON, AT_BOS]].all() and found.fires[RARE].sum() == 1 and not found.fires[SILENT].any()


def test_numbers_are_those_of_the_slow_way(found, planted_firing):
    own = planted_firing.own(found.features)
    list_of = planted.prompts()
    for column, name in enumerate(found.names):
        inside = [i for i, one in enumerate(list_of.categories) if one == name]
        outside = range(len(list_of.texts), planted.ALL_PROMPTS)
        label = np.array([1] * len(inside) + [0] * len(outside))
        for row in range(6):
            score = np.concatenate([own[inside, row], own[outside, row]])
            assert found.area[row, column] == pytest.approx(area_under_curve(score, label))
            assert found.rate[row, column] == rate(int((own[inside, row] > 0).sum()), len(inside)).rate
    assert found.lift[DRUGS].max() == pytest.approx(3)  # all of one third of the prompts
    assert np.isnan(found.lift[SILENT]).all() and (found.p[SILENT] == 1).all()
    assert (found.q >= found.p - 1e-12).all()


def test_features_that_never_fire_change_nothing_of_those_that_do(found, planted_firing):
    alone = categorise(planted_firing, planted.prompts())
    assert alone.features == found.features[:SILENT] and alone.active.all() and not found.active[SILENT]
    assert (found.q[:SILENT] == alone.q).all() and (found.q[SILENT] == 1).all()
    silent = [planted_firing.features[0]._replace(index=i) for i in (SILENT,)]
    assert (categorise(planted_firing, planted.prompts(), silent).q == 1).all()
    assert categorise(planted_firing, planted.prompts(), []).q.shape == (0, 3)


def test_without_contrast_a_category_is_compared_with_the_others(planted_firing):
    bare = planted.labelled([*planted.prompts().texts], [*planted.prompts().categories], [], "bare")
    found = categorise(planted_firing.rows(range(len(bare.texts))), bare, planted_firing.features)
    assert found.against == "the prompts of the other categories" and np.isnan(found.contrast).all()
    assert [found.verdict(i) for i in (DRUGS, EVERY)] == ["single category", "mixed"]


def test_shuffled_categories_fall_to_chance():
    """A hundred features that each answer to a category, and a hundred noisy ones: shuffled, none is left."""
    generator = np.random.default_rng(1)
    strength = generator.random((planted.ALL_PROMPTS, 200)) * (generator.random((planted.ALL_PROMPTS, 200)) < 0.3)
    for column in range(100):
        strength[list(planted.ROWS[planted.CATEGORIES[column % 3]]), column] += 1
    whole, prompts = planted.firing(strength), planted.prompts()
    features = whole.features
    assert categorise(whole, prompts, features).answers[:100].any(1).all()
    shares = []
    for seed in range(5):
        mixed = prompts.shuffled(seed)
        place = {text: number for number, text in enumerate((*prompts.texts, *prompts.contrast))}
        rows = [place[text] for text in (*mixed.texts, *mixed.contrast)]
        shares.append(categorise(whole.rows(rows), mixed, features).answers.any(1).mean())
    assert np.mean(shares) < 0.05


def test_counts_by_both_definitions(found):
    groups = {"mine": found.features[:4], "silent": found.features[5:], "empty": ()}
    frame = counts(found, groups).set_index(["group", "definition", "categories"])["features"].sort_index()
    assert frame["mine", PAPER].tolist() == [0, 1, 0, 3] and frame["mine", CORRECTED].tolist() == [2, 1, 0, 1]
    assert not {"silent", "empty"} & {*frame.index.get_level_values(0)}, "nothing of them fires"
    mixed = counts(found, {"mine": found.features[2:]}).query("categories == 0")
    assert mixed["of"].tolist() == [3, 3], "the silent one is not counted"
    figure = by_type(found, groups).set_index(["group", "definition", "type"])
    assert figure.loc[("mine", CORRECTED, "only drugs"), "features"] == 1
    assert figure.loc[("mine", PAPER, "3 categories"), "of"] == 4


def test_the_table_has_one_row_a_feature_and_category(found):
    frame = found.frame()
    assert len(frame) == 18 and frame.loc[frame["answers"], "feature"].tolist() == ["3-0", "3-1", "3-1", "3-1"]
