"""One-sentence labels by a chat model: what it is asked, what of its answer is a label, and how they are scored."""

from __future__ import annotations

import pytest

from core import Edits, Feature, InputError
from core.labels.contexts import Context
from core.labels.notes import FeatureNote
from core.semantics import one_sentence
from core.semantics.about import read_about
from core.semantics.firing import read_firing
from core.semantics.label_score import FEWEST, FEWEST_LABELS, score_labels
from core.semantics.one_sentence import TOKENS, label_in, request, write_sentences
from core.semantics.tables import about_tables
from tests.core.semantics.planted import known
from tests.core.semantics.small_list import FEATURES, PROMPTS


def note(*contexts: Context, promoted: str = "") -> FeatureNote:
    return FeatureNote("", None, None, contexts, promoted)


def test_the_request_quotes_each_context_on_a_line_of_its_own():
    asked = request(note(Context("how to\n\nbake ", "bread", " at home", 3.0), promoted="salt, oil"))
    assert "- how to↵↵bake ⟦bread⟧ at home\n" in asked and "likelier: salt, oil." in asked
    assert "likelier" not in request(note(Context("a ", "b", "", 1.0)))
    assert request(note()) == ""


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("The words name weapons.", "The words name weapons."),
        ("\n\n“Names of  towns”\nand more", "Names of towns"),
        ("- **Cooking words**", "Cooking words"),
        ("I'm sorry, but I can't assist with that.", ""),
        ("  \n ", ""),
        ("a" * 500, "a" * 200),
    ],
)
def test_what_of_an_answer_is_a_label(answer, label):
    assert label_in(answer) == label


@pytest.mark.parametrize("contexts", [3, 9])
def test_sentences_are_the_models_own_answers_to_as_many_contexts_as_fit(tiny, monkeypatch, contexts):
    monkeypatch.setattr(one_sentence, "REQUEST", "Texts:\n{contexts}\n{promoted}What do they share?")
    notes = known(contexts)
    written = write_sentences(tiny, FEATURES, notes.note)
    for feature in FEATURES:
        texts = [request(notes.note(feature), most) for most in range(min(contexts, one_sentence.CONTEXTS), 0, -1)]
        fits = [text for text in texts if tokens(tiny, text) + TOKENS <= tiny.context_length]
        answer = "".join(tiny.generate(fits[0], Edits(), TOKENS))
        assert written.get(feature, "") == label_in(answer)
        assert (fits[0] == texts[0]) == (contexts == 3)
    assert any(written.values())


def tokens(engine, text):
    """How many tokens a prompt has, however long it is."""
    before, after = len(engine.prompt("bake").ids) - 1, engine.tokenizer(text, add_special_tokens=False)["input_ids"]
    return before + len(after)


def test_features_without_contexts_get_none_and_it_can_be_stopped(tiny):
    assert write_sentences(tiny, FEATURES, known(contexts=0).note) == {}
    assert write_sentences(tiny, FEATURES, lambda feature: None) == {}
    assert write_sentences(tiny, FEATURES, known().note, cancelled=lambda: True) is None


def test_a_model_without_a_template_is_refused_in_a_sentence(tiny, monkeypatch):
    monkeypatch.setattr(tiny.tokenizer, "chat_template", None)
    with pytest.raises(InputError, match="has no chat template, so it cannot write labels"):
        write_sentences(tiny, FEATURES, known().note)


def test_they_are_scored_as_every_label_and_stand_in_the_tables(tiny):
    found = read_about(tiny, PROMPTS, "mine", FEATURES, known(), writer=tiny)
    assert found.written.by == tiny.spec.name and set(found.written.labels) <= set(found.features)
    texts = [*PROMPTS.texts, *PROMPTS.contrast]
    assert found.written.scores == score_labels(found.written.labels, found.firing, texts)
    tables = {table.name: table.frame for table in about_tables(found)}
    by = f", sentences by {tiny.spec.name}"
    assert [name for name in tables["label_scores"]["group"] if name.endswith(by)] == [f"{g}{by}" for g in found.groups]
    first = tables["features"].iloc[0]
    assert first["sentence"] == found.written.labels.get(Feature.parse(first["feature"]), "")


def test_too_few_sentences_have_scores_and_no_verdict_and_the_tables_say_so(tiny):
    firing = read_firing(tiny, [*PROMPTS.texts, *PROMPTS.contrast])
    some = [f for f in firing.features if FEWEST <= (firing.own([f]) > 0).sum() <= firing.prompts - FEWEST][:4]
    found = read_about(tiny, PROMPTS, "mine", some, known(), firing, writer=tiny)
    tables = {table.name: table for table in about_tables(found)}
    number, rows = len(found.written.scores), tables["label_scores"].frame.set_index("group")
    too_few, there = f"too few labels to compare with ({number})", tables["features"].frame
    assert 1 < number < FEWEST_LABELS and there["sentence better than chance"].value_counts()[too_few] == number
    assert {*there["sentence better than chance"]} <= {too_few, ""} and {*there["better than chance"]} <= {
        "yes",
        "no",
        "",
    }
    by = [name for name in rows.index if "sentences by" in name]
    assert rows.loc[by, "of"].sum() == 0 and rows.loc[by, "share"].isna().all()
    assert rows.loc[by, "too few labels"].sum() == number
    others = [name for name in rows.index if name not in by]
    assert rows.loc[others, "of"].sum() == len(found.scores) > 0 == rows.loc[others, "too few labels"].sum()
    note = tables["label_scores"].note
    assert f"No rate of sentences: {too_few}, as at least 20 are needed" in note and "No rate of labels" not in note
