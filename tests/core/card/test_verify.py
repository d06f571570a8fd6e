"""A card measured again: on another cache everything agrees; what was changed is told, number by number."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import Edits, Engine, Feature, load
from core.card.again import share_of
from core.card.compare import Checked, alike, near, tolerance_for, unchecked
from core.card.features import About, Meaning
from core.card.files import write_card
from core.card.make import Asked, make_card
from core.card.read import read_card
from core.card.verify import verify
from core.edits.direction import make_direction
from core.labels.notes import read_labels
from tests.cards import OFF, PROMPT, changed, made


@pytest.fixture(scope="module")
def card(tiny):
    return made(tiny, waking=True)


def test_a_card_made_on_one_cache_verifies_on_another(tiny_spec, tmp_path, monkeypatch):
    """Another cache folder, packed anew; and no direction there but the card's own."""
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "one"))
    engine = load(tiny_spec, device="cpu", dtype="float32")
    engine.use_direction(make_direction(torch.randn(32, generator=torch.Generator().manual_seed(5)), 2))
    write_card(made(engine, waking=True), tmp_path / "card.html")
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "two"))
    other = load(tiny_spec, device="cpu", dtype="float32")
    assert not other.has_direction
    found = verify(read_card(tmp_path / "card.html"), other)
    assert found.whole and len(found.checks) > 60 and not found.notes
    assert {one.what for one in found.checks} >= {"refusal score", "verdict", "activation", "woken features"}
    assert not other.has_direction, "the engine is as it was"
    records = [sorted(p.name for p in (tmp_path / name / "records").glob("*.records")) for name in ("one", "two")]
    assert len(records[0]) == len(records[1]) == 3


@pytest.mark.parametrize("what", ["score", "control", "effect", "verdict", "answer", "reason", "looping", "κ"])
def test_a_number_that_is_wrong_differs_and_no_other(card, tiny, what):
    case = card.cases[0]
    state, feature = case.states[1], case.features[0]
    control = case.controls[0]
    if what == "κ":
        judge = card.source.judge
        card = replace(card, source=replace(card.source, judge=judge._replace(kappa=0.99)))
    elif what == "score":
        states = (case.states[0], replace(state, refusal_score=state.refusal_score + 0.05), *case.states[2:])
        case = replace(case, states=states)
    elif what == "control":
        draws = (control.draws[0]._replace(refusal_score=9.0), *control.draws[1:])
        case = replace(case, controls=(control._replace(draws=draws), *case.controls[1:]))
    elif what == "effect":
        case = replace(case, features=(feature._replace(effect=9.0), *case.features[1:]))
    else:
        forged = {"verdict": "refused", "answer": "0" * 16, "reason": "forged", "looping": not state.judgement.looping}
        name = "digest" if what == "answer" else what
        judged = replace(state, judgement=state.judgement._replace(**{name: forged[what]}))
        case = replace(case, states=(case.states[0], judged, *case.states[2:]))
    found = verify(replace(card, cases=(case, *card.cases[1:])), tiny)
    assert found.count("differs") == 1 and found.count("not checked") == 0 and not found.whole
    assert found.sentence.startswith(f"{len(found.checks) - 1} of {len(found.checks)} values")


def test_a_card_of_which_nothing_can_be_measured_does_not_claim_that_it_agrees(card):
    one = unchecked("run", "table “Stage 1”", "3 rows", "why not")
    found = Checked(card, tolerance_for(card.source, card.source), (), (one, one), False)
    assert found.sentence.startswith("No value of this card was measured again") and "2 could not" in found.sentence
    assert "agree" not in found.sentence and not found.whole


def test_features_that_are_named_as_woken_are_checked(tiny):
    wakes = Edits.clamp([Feature(1, 5)], 30.0)
    card = make_card(
        tiny, [Asked(PROMPT, (("Edited", wakes),), 0, {})], page="a test", agreed=False, about=About(), waking=True
    )
    case = card.cases[0]
    woken = [one for one in case.features if one.how == "woken"]
    assert len(woken) > 1 and verify(card, tiny).whole
    asleep = next(i for i in range(48) if f"3-{i}" not in {one.feature for one in woken} and not _fires(tiny, wakes, i))
    for change in ({"cosine": 0.99}, {"activation": 999.0}, {"feature": f"3-{asleep}", "cosine": None}):
        other = tuple(one._replace(**change) if one == woken[0] else one for one in case.features)
        assert verify(replace(card, cases=(replace(case, features=other),)), tiny).count("differs") == 1


def _fires(engine, edits, index):
    frame = engine.features(PROMPT, edits)
    return ((frame["layer"] == 3) & (frame["index"] == index)).any()


@pytest.fixture(scope="module")
def labelled(tiny, page_spec):
    """An engine with labels and benign prompts, and its card."""
    engine = Engine(replace(tiny.runtime, spec=page_spec), "for a test")
    about = About(read_labels(page_spec.labels), lambda feature: Meaning("generic", {"drugs": 0.5}))
    return engine, make_card(
        engine, [Asked(PROMPT, (("Edited", OFF),), 3, {})], page="a test", agreed=True, about=about
    )


def test_labels_and_intervals_are_compared_and_what_is_not_is_named(labelled):
    engine, card = labelled
    found = verify(card, engine)
    assert found.whole
    assert {one.what for one in found.checks} >= {
        "label", "reason of the verdict", "KL, benign, lower end", "KL, benign, prompts", "κ with people"
    }  # fmt: skip
    assert found.not_compared == (
        "Not compared: roles and categories (of 2; they come from a reading of other prompts); whether the controls "
        "were drawn at random; when, where and by which command the card says it was made."
    )
    case = card.cases[0]
    state, feature = case.states[1], case.features[0]
    for change in ({"kl_low": 0.0}, {"kl_high": 9.0}, {"n": 1}):
        forged = replace(state, cost=state.cost._replace(**change))
        other = replace(card, cases=(replace(case, states=(case.states[0], forged)),))
        assert verify(other, engine).count("differs") == 1
    other = replace(card, cases=(replace(case, features=(feature._replace(label="forged"), *case.features[1:])),))
    (wrong,) = [one for one in verify(other, engine).checks if one.outcome == "differs"]
    assert (wrong.what, wrong.card) == ("label", "forged")
    far = feature._replace(label="forged", origin="Neuronpedia")
    found = verify(replace(card, cases=(replace(case, features=(far, *case.features[1:])),)), engine)
    assert "labels that are not among those of the model here (1 from “Neuronpedia”)" in found.not_compared


def test_a_sentence_with_numbers_is_alike_within_their_last_digit():
    said = "it finds it very unlikely ({} nats a token)"
    for here, outcome in (("6.6", "agrees"), ("6.7", "agrees"), ("6.9", "differs"), ("66", "differs")):
        assert alike("", "", said.format("6.6"), said.format(here), 0.01).outcome == outcome
    assert alike("", "", said.format("6.6"), "another (6.6)", 0.5).outcome == "differs"


def test_other_weights_are_told_in_a_sentence(card, tiny_spec, tmp_path):
    spec = changed(
        tmp_path / "model",
        Path(tiny_spec.model_id) / "model.safetensors",
        "model.layers.1.mlp.down_proj.weight",
        lambda folder: replace(tiny_spec, model_id=str(folder)),
    )
    found = verify(card, load(spec, device="cpu", dtype="float32"))
    assert found.foreign and not found.checks and "other files of “tiny”" in found.sentence


def test_another_sae_takes_away_what_depends_on_it_and_nothing_else(card, tiny_spec, tmp_path):
    spec = changed(
        tmp_path / "layer_3",
        tiny_spec.saes[3] / "sae_weights.safetensors",
        "W_dec",
        lambda folder: replace(tiny_spec, saes={**tiny_spec.saes, 3: folder}),
    )
    found = verify(card, load(spec, device="cpu", dtype="float32"))
    assert "layer 3" in found.notes[0] and not found.count("differs")
    lost = {one.where for one in found.checks if one.outcome == "not checked"}
    assert {"prompt 1, Edited", "prompt 1, feature 3-4"} <= lost
    assert {"prompt 1, Unedited", "prompt 1, A", "prompt 1, feature 2-3"}.isdisjoint(
        one.where for one in found.checks if one.outcome == "not checked" and one.what not in ("woken features",)
    )


def test_another_device_or_format_has_a_wider_tolerance_that_is_stated(card):
    here = card.source
    same, device, dtype = (
        tolerance_for(here, one) for one in (here, replace(here, device="cuda"), replace(here, dtype="bfloat16"))
    )
    assert same.score < device.score < dtype.score and same.exact_text and not device.exact_text
    assert "cuda here" in device.why and "another number format" in dtype.why
    assert same.share == 0.01 and same.least < device.least < dtype.least


def test_what_a_card_has_not_is_no_check_that_could_not_be_made(card, tiny):
    """Without a direction there are no cosines."""
    cases = tuple(
        replace(case, states=tuple(replace(state, cosine=()) for state in case.states)) for case in card.cases
    )
    found = verify(replace(card, cases=cases), tiny)
    assert not [one for one in found.checks if "cosine by layer" in one.what] and not found.count("not checked")


def test_a_small_kl_is_held_to_its_share_too(card):
    within = tolerance_for(card.source, card.source)
    assert near("", "KL", 1e-4, 1e-3, share_of(1e-4, 1e-3, within)).outcome == "differs"
    assert near("", "KL", 2e-3, 2.9e-3, share_of(2e-3, 2.9e-3, within)).outcome == "differs"
    assert near("", "KL", 1e-6, 3e-6, share_of(1e-6, 3e-6, within)).outcome == "agrees", "as near 0 as makes no odds"


def test_in_another_number_format_texts_are_not_compared(card, tiny_spec):
    found = verify(card, load(tiny_spec, device="cpu", dtype="bfloat16"))
    assert {one.what for one in found.checks if one.outcome == "not checked"} == {"text of the answer, digest"}
    assert found.tolerance.score == 0.5


def test_another_judge_is_told(card, tiny):
    judge = card.source.judge._replace(revision="another")
    found = verify(replace(card, source=replace(card.source, judge=judge)), tiny)
    assert {one.what for one in found.checks if one.outcome == "not checked"} == {"verdict"}
    assert "verdicts were not checked" in found.notes[0]


def test_nan_is_like_nan_and_the_last_digit_kept_is_no_difference():
    nan = float("nan")
    assert near("", "", nan, nan, 0.1).outcome == "agrees" and near("", "", nan, 1.0, 0.1).outcome == "differs"
    assert near("", "", 123.46, 123.456, 0.0).outcome == "agrees" and near("", "", 1.0, 1.2, 0.1).outcome == "differs"
