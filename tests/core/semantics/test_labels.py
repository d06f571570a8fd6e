"""Labels as text: frequent words, kinds, groups, the category by words, and what a label is worth."""

from __future__ import annotations

import numpy as np
import pytest

from core import Feature
from core.semantics.categories import categorise
from core.semantics.groups import UNGROUPED, UNLABELLED, group_labels, group_table, kinds_table, renamed
from core.semantics.label_score import FEWEST_LABELS, LEVEL, better_rate, score_labels
from core.semantics.text_route import Part, agreement_of_routes, categories_by_text
from core.semantics.vectors import folded, vectors
from core.semantics.words import Frequent, explanation, frequent_words, kind_of
from core.statistics import area_under_curve
from tests.core.semantics import planted

DRUG_LABELS = [f"cook strong drugs {word}" for word in ("now", "later", "today", "often", "alone", "twice")]
CODE_LABELS = [f"python programming loop {word}" for word in ("while", "range", "break", "yield", "list", "tuple")]


def features(number: int) -> list[Feature]:
    return [Feature(3, i) for i in range(number)]


@pytest.mark.parametrize(
    ("label", "says", "kind"),
    [
        ("how to ⟦break⟧ in · crack → other, ous", "how to break in · crack", "other"),
        ("silent on the sample → a, b", "", "other"),
        ("template: ‹im_end›↵⟦‹im_start›⟧ → x", "‹im_end›↵‹im_start›", "template"),
        ("a hut⟦.⟧ It was → x", "a hut. It was", "punctuation"),
        ("end of it ⟦↵⟧ → x", "end of it ↵", "punctuation"),
        ("quotation marks and commas", "quotation marks and commas", "punctuation"),
        ("mentions of JavaScript functions", "mentions of JavaScript functions", "programming"),
        ("⟦killing⟧ a process", "killing a process", "other"),
    ],
)
def test_what_a_label_says_and_what_it_is_about(label, says, kind):
    assert explanation(label) == says and kind_of(label) == kind


def test_frequent_words_leave_out_stop_words_promoted_tokens_and_silence():
    labels = ["the ⟦harm⟧ of harm → code", "legal harm", "silent on the sample → harm", "of the and"]
    assert frequent_words(labels) == [Frequent("harm", 3, 2), Frequent("legal", 1, 1)]
    assert frequent_words(["‹im_start›user↵Where can I ‹im_end›↵‹im_sta… · cut… crack"]) == [Frequent("crack", 1, 1)]
    for template in ("[⟦INST⟧] crack", "[/INST] ⟦crack⟧", "<<SYS>> crack ⟦[INST]⟧ <</SYS>>", "⟦‹SYS›⟧ crack"):
        assert frequent_words([f"{template} → inst"]) == [Frequent("crack", 1, 1)], template
    assert frequent_words([]) == frequent_words(["the of"]) == []


def test_vectors_are_near_where_letters_are_shared_and_of_length_one():
    first, second = vectors(["drug", "loop"], ["drugs and more", "a loophole", ""])
    near = (first @ second.T).toarray()
    assert near[0].argmax() == 0 and near[1].argmax() == 1 and (near[:, 2] == 0).all()
    np.testing.assert_allclose(np.linalg.norm(folded(["one two", "two three", "four"]), axis=1), 1)


def test_labels_of_two_topics_are_two_groups_named_by_their_words():
    texts = [*DRUG_LABELS, *CODE_LABELS, "a hut⟦.⟧", "", "zebra quilt xylophone"]
    found = group_labels(dict(zip(features(len(texts)), texts, strict=True)))
    names = list(found.values())
    assert len(set(names[:6])) == len(set(names[6:12])) == 1 and names[0] != names[6]
    assert "drugs" in names[0] and "python" in names[6]
    assert names[12:] == ["punctuation", UNLABELLED, UNGROUPED]


def test_groups_are_edited_by_naming_them():
    groups = {Feature(3, 0): "a", Feature(3, 1): "b", Feature(3, 2): "c"}
    assert list(renamed(groups, {"a": "harm", "b": "harm ", "c": " "}).values()) == ["harm", "harm", "c"]
    table = group_table(renamed(groups, {"a": "harm", "b": "harm"}), dict.fromkeys(groups, "x"))
    assert table[["group", "features"]].values.tolist() == [["harm", 2], ["c", 1]]


def test_the_share_of_punctuation_and_programming_is_of_labels_that_say_something():
    frame = kinds_table({"mine": ["a hut⟦.⟧", "python code", "harm", "silent on the sample"]}).set_index("about")
    assert frame.loc["punctuation or programming", ["labels", "of"]].tolist() == [2, 3]


def test_the_category_by_words_and_its_agreement_with_firing():
    prompts = planted.prompts()
    assert categories_by_text(["drugs request", "harmless question", "zzz"], prompts) == ["drugs", "none", "none"]
    on = np.zeros((planted.ALL_PROMPTS, 3))
    for column, name in enumerate(planted.CATEGORIES):
        on[list(planted.ROWS[name]), column] = 1
    firing = planted.firing(on)
    tests = categorise(firing, prompts, firing.features)
    right = {f: name for f, name in zip(firing.features, planted.CATEGORIES, strict=True)}
    wrong = {f: name for f, name in zip(firing.features, reversed(planted.CATEGORIES), strict=True)}
    assert agreement_of_routes([Part(tests, right, prompts)]).kappa == pytest.approx(1)
    assert agreement_of_routes([Part(tests, wrong, prompts)]).kappa < 0.2


def scored(labels, seed=0):
    """Features that fire where a prompt has the word “drugs”, beside twenty that fire anywhere."""
    prompts = planted.prompts()
    texts = [*prompts.texts, *prompts.contrast]
    on = (np.random.default_rng(seed).random((len(texts), 21)) < 0.4).astype(float)
    on[:, 0] = ["drugs" in text for text in texts]
    return score_labels(dict(zip(features(21), labels, strict=True)), planted.firing(on), texts), texts, on


def test_a_label_that_says_where_its_feature_fires_beats_shuffled_ones_and_others_do_not():
    others = [f"word{i} nothing{i} particular{i}" for i in range(20)]
    found, texts, on = scored(["about drugs", *others])
    assert found[Feature(3, 0)].area == pytest.approx(1) and found[Feature(3, 0)].better_than_chance is False
    # 21 labels cannot do better than p = 1/21, which the correction for 21 labels takes beyond 0.05: more to shuffle
    # with make it plain.
    more = score_labels(
        {Feature(3, 0): "about drugs"} | dict(zip(features(21)[1:], others, strict=True)),
        planted.firing(on),
        texts,
        [f"word{i} nothing{i} particular{i}" for i in range(20, 620)],
    )
    assert more[Feature(3, 0)].better_than_chance
    assert sum(one.better_than_chance for one in more.values()) == 1
    assert "no better than chance" in more[Feature(3, 1)].sentence()


def told_exactly(number, others=()):
    """Features that fire each where its own words are, so every label could not be better."""
    texts = [f"text word{i % number}" for i in range(8 * number)] + ["silence"] * 8
    on = np.zeros((len(texts), number))
    on[np.arange(8 * number), np.arange(8 * number) % number] = 1
    labels = {feature: f"word{feature.index}" for feature in features(number)}
    return score_labels(labels, planted.firing(on), texts, others)


@pytest.mark.parametrize("number", [2, 9, FEWEST_LABELS - 1])
def test_among_too_few_labels_the_best_is_neither_better_than_chance_nor_not(number):
    found = told_exactly(number)
    for one in found.values():
        assert one.p == 1 / number > LEVEL and not one.better_than_chance, "none could be"
        assert one.verdict == f"too few labels to compare with ({number})"
        assert one.sentence().endswith(f"for shuffled labels: {one.verdict}") and "chance" not in one.sentence()
    assert better_rate(found.values()).n == 0
    more = told_exactly(number, [f"else{i}" for i in range(FEWEST_LABELS - number)])
    assert {one.labels for one in more.values()} == {FEWEST_LABELS}
    assert {one.verdict for one in more.values()} <= {"yes", "no"} and better_rate(more.values()).n == number


def test_among_just_enough_labels_they_can_all_be_better_than_chance():
    found = told_exactly(FEWEST_LABELS)
    assert {one.verdict for one in found.values()} == {"yes"} and better_rate(found.values()).rate == 1
    assert {one.q for one in found.values()} == {1 / FEWEST_LABELS} == {LEVEL}


def test_a_label_alone_has_none_beside_it():
    (one,) = scored(["about drugs"] + [""] * 20)[0].values()
    assert one.sentence() == "1.00: too few labels to compare with (1)"


def test_areas_are_those_of_the_slow_way():
    labels = ["about drugs", *[f"request {i}" for i in range(20)]]
    found, texts, on = scored(labels)
    first, second = vectors(labels, texts)
    near = (first @ second.T).toarray()
    for column, feature in enumerate(features(21)):
        assert found[feature].area == pytest.approx(area_under_curve(near[column], on[:, column]))
        other = [area_under_curve(near[i], on[:, column]) for i in range(21) if i != column]
        assert found[feature].shuffled == pytest.approx(np.mean(other))


def test_labels_that_cannot_be_scored_are_left_out():
    assert score_labels({}, planted.firing(np.ones((planted.ALL_PROMPTS, 1))), ["a"] * planted.ALL_PROMPTS) == {}
    texts = [*planted.prompts().texts, *planted.prompts().contrast]
    everywhere = planted.firing(np.ones((len(texts), 1)))
    assert score_labels({Feature(3, 0): "a label"}, everywhere, texts) == {}
