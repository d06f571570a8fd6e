"""No label is scored on the prompts it was made from: what is left out, against the same without these prompts."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from cache.store.labels import made_folder
from core import Feature, load
from core.commands.command_line import main
from core.labels.making import make_labels
from core.labels.notes import Labels, made_file
from core.labels.sample import Sample, sample_of
from core.labels.source_texts import MadeFrom
from core.models import registry
from core.prompts.categories import labelled
from core.semantics.about import SHUFFLED_WITH, About, Measured, about_of, read_about
from core.semantics.categories import categorise
from core.semantics.firing import read_firing
from core.semantics.label_score import score_labels
from core.semantics.tables import about_tables
from core.semantics.text_route import Part, agreement_of_routes
from core.semantics.unseen import scored_on, unseen_prompts
from tests.core.semantics import planted
from tests.core.semantics.planted import known, made_from
from tests.core.semantics.small_list import FEATURES, PROMPTS

#: More prompts like those of the small list, of which no label below is made.
MORE = labelled(
    [f"{text} Please {word}." for text in PROMPTS.texts for word in ("help", "now")],
    [name for name in PROMPTS.categories for _ in range(2)],
    [f"{text} Begin {word}." for text in PROMPTS.contrast for word in ("here", "there")],
    "more",
)
MIXED = labelled(
    [*PROMPTS.texts, *MORE.texts], [*PROMPTS.categories, *MORE.categories], [*PROMPTS.contrast, *MORE.contrast], "mixed"
)
SOURCE = (*PROMPTS.texts, *PROMPTS.contrast)


@pytest.fixture(scope="module")
def some(tiny) -> tuple[Feature, ...]:
    """Features that fire on some prompts of both lists and are silent on some: labels can be scored."""
    first, second = (read_firing(tiny, [*one.texts, *one.contrast]) for one in (PROMPTS, MORE))
    fits = [
        feature
        for feature in first.features
        if all(8 <= (one.own([feature]) > 0).sum() <= one.prompts - 8 for one in (first, second))
    ]
    assert len(fits) >= 4
    return tuple(fits[:4])


@pytest.fixture(scope="module")
def mixed(tiny, some) -> About:
    return read_about(tiny, MIXED, "mine", some, known(source=made_from(SOURCE)), writer=tiny)


def note_of(found: About, name: str) -> str:
    return {table.name: table.note for table in about_tables(found)}[name]


def test_on_a_mixed_list_everything_of_labels_is_that_of_the_list_without_their_prompts(tiny, mixed, some):
    texts = [*MIXED.texts, *MIXED.contrast]
    rows = [texts.index(text) for text in (*MORE.texts, *MORE.contrast)]
    alone = Measured(
        mixed.firing.rows(rows),
        mixed.groups["random active"],
        tuple(mixed.evidence[feature].effect for feature in mixed.features),
        mixed.written.by,
        mixed.written.labels,
    )
    # Labels to shuffle with are those of features that fire anywhere on the whole list; here that is all of them.
    assert len(mixed.firing.features) <= SHUFFLED_WITH
    others = [known().label(f) for f in mixed.firing.features if f not in mixed.labels]
    slow = score_labels(mixed.labels, alone.firing, [*MORE.texts, *MORE.contrast], others)
    assert mixed.scores.keys() == slow.keys() and slow
    for feature, score in slow.items():
        assert tuple(mixed.scores[feature]) == pytest.approx(tuple(score))
    right = about_of(tiny, MORE, "mine", some, known(), alone)
    assert mixed.written.scores == right.written.scores
    tests = categorise(alone.firing, MORE, mixed.tests.features)
    expected = agreement_of_routes([Part(tests, mixed.labels, MORE)])
    assert str(mixed.routes) == str(expected) and (mixed.routes.table == expected.table).all()
    assert (mixed.tests.area == categorise(mixed.firing, MIXED, mixed.tests.features).area).all(), "reads no labels"
    said = (
        "Labels of 8 features are scored, and their words compared with categories, without the 26 of 78 prompts that"
    )
    assert mixed.scored_on == f"{said} they were made from."
    assert all(mixed.scored_on in note_of(mixed, name) for name in ("label_scores", "two_routes"))


def test_on_the_prompts_they_were_made_from_alone_no_label_is_scored_and_it_is_said(tiny, some):
    found = read_about(tiny, PROMPTS, "mine", some, known(source=made_from(SOURCE)), writer=tiny)
    assert read_about(tiny, PROMPTS, "mine", some, known(), found.firing).scores, "the others have scores there"
    assert found.scores == found.written.scores == {} and found.routes.n == 0
    said = (
        "Labels of 8 features are not scored: without the 26 of 26 prompts that they were made from, 0 are left, and "
    )
    assert found.scored_on == f"{said}at least 10 are needed. Choose other prompts."
    assert found.scored_on in note_of(found, "label_scores")


def test_too_few_in_each_category_leave_scores_and_no_comparison(tiny):
    source = made_from([*PROMPTS.texts[:6], *PROMPTS.contrast])
    found = unseen_prompts(FEATURES, known(source=source), PROMPTS)
    (group,) = found
    assert len(group.rows) == 12 and group.prompts is None
    said = scored_on(found, known(source=source), PROMPTS)
    assert "scored without the 14 of 26 prompts" in said and "the other 12 are too few in each category" in said


def test_each_label_is_scored_without_its_own_prompts_and_no_others():
    prompts = planted.prompts()
    texts = [*prompts.texts, *prompts.contrast]
    on = (np.random.default_rng(0).random((len(texts), 6)) < 0.4).astype(float)
    firing, features = planted.firing(on), [Feature(3, i) for i in range(6)]
    labels = {feature: f"drugs word {feature.index}" for feature in features}
    half = np.arange(0, len(texts), 2)
    found = score_labels(labels, firing, texts, rows=[(features[:3], half), (features[3:], np.arange(len(texts)))])
    few = score_labels(labels, firing.rows(half.tolist()), [texts[i] for i in half])
    every = score_labels(labels, firing, texts)
    for feature in features:
        expected = (few if feature in features[:3] else every)[feature]
        assert tuple(found[feature])[:3] == pytest.approx(tuple(expected)[:3])
        assert (found[feature].fires, found[feature].of) == (expected.fires, expected.of)
        assert found[feature].p <= found[feature].q <= 1 and not math.isnan(found[feature].q)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            MadeFrom("made here"),
            "their files do not say from which prompts. If it was from these, their scores are too",
        ),
        (MadeFrom("shipped"), "conversations that the SAEs were trained on, not from the model's held-out prompts."),
        (MadeFrom("Neuronpedia"), "Labels of 3 features are from Neuronpedia, which makes them from other text."),
        (made_from(["another text"]), ""),
    ],
)
def test_labels_whose_texts_are_not_noted_are_scored_and_it_is_said(source, says):
    labels = known(source=source)
    (group,) = unseen_prompts(FEATURES, labels, PROMPTS)
    assert len(group.rows) == 26 and group.prompts is PROMPTS
    said = scored_on((group,), labels, PROMPTS)
    assert says in said and bool(said) == bool(says)
    assert scored_on(unseen_prompts(FEATURES, Labels(), PROMPTS), Labels(), PROMPTS) == "", "no labels, nothing to say"


def test_the_two_commands_one_after_the_other_score_no_label_on_its_source(
    some, page_spec, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    spec = replace(page_spec, labels=None)
    registry.register(spec)
    rows = [*zip(PROMPTS.texts, PROMPTS.categories, strict=True)]
    harmful = "".join(json.dumps({"prompt": text, "category": name}) + "\n" for text, name in rows)
    (tmp_path / "harmful.jsonl").write_text(harmful)
    (tmp_path / "contrast.txt").write_text("\n".join(PROMPTS.contrast))
    (tmp_path / "all.txt").write_text("\n".join(SOURCE))
    asked = [
        "features",
        "--model",
        spec.name,
        "--prompts",
        str(tmp_path / "harmful.jsonl"),
        "--features",
        ",".join(map(str, some)),
    ]
    asked += ["--contrast", str(tmp_path / "contrast.txt"), "--json"]

    def told() -> tuple[str, set]:
        assert main(asked) == 0
        value = json.loads(capsys.readouterr().out)
        return value["facts"]["label scores"], {row["label score"] for row in value["tables"]["features"]}

    assert main(["labels", "--model", spec.name, "--prompts", str(tmp_path / "all.txt")]) == 0
    capsys.readouterr()
    said, scores = told()
    assert "are not scored: without the 26 of 26 prompts that they were made from" in said and scores == {None}
    engine = load(spec, device="cpu", dtype="float32")
    folder = made_folder(spec.name)
    assert made_file(folder, 1).is_file()
    assert make_labels(engine, Sample(sample_of(engine, SOURCE).sequences, 1), folder).made == (1, 2, 3)
    said, scores = told()
    assert "their files do not say from which prompts" in said and scores != {None}
