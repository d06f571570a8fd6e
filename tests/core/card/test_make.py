"""A card's numbers are the engine's own, with controls beside each claim."""

import numpy as np
import pytest

from core import Edits, Feature, InputError
from core.answers.answer import Answer
from core.card.contents import UNEDITED, text_digest
from core.card.features import About, Meaning
from core.card.make import Asked, make_card
from core.hydra import refresh, self_repair
from core.labels.notes import read_labels
from tests.cards import CLAMP, HOSTILE, OFF, PROMPT, made


@pytest.fixture(scope="module")
def card(tiny):
    return made(tiny, waking=True)


def test_scores_and_cosines_are_those_of_a_measurement(card, tiny):
    sets = [Edits(), OFF, CLAMP, Edits.ablate_direction(tiny.direction())]
    found = tiny.measure([PROMPT], sets, kl=True)
    states = card.cases[0].states
    assert [state.name for state in states] == [UNEDITED, "Edited", "A", "B"]
    assert [s.refusal_score for s in states] == pytest.approx(found.refusal_score[0].tolist(), abs=1e-4)
    assert [s.kl for s in states] == pytest.approx(found.kl[0].tolist(), abs=1e-5)
    assert np.allclose([s.cosine for s in states], found.cosine[0], atol=1e-5)


def test_controls_are_measured_with_their_own_edits(card, tiny):
    for control in card.cases[0].controls[:2]:
        assert len(control.draws) == 5
        edits = [Edits.from_text(draw.edits) for draw in control.draws]
        assert not any({Feature(2, 3), Feature(3, 4), Feature(1, 5)} & set(one.features) for one in edits)
        scores = tiny.measure([PROMPT], edits).refusal_score[0]
        assert [draw.refusal_score for draw in control.draws] == pytest.approx(scores.tolist(), abs=1e-4)
    clamped = [Edits.from_text(draw.edits).items for draw in card.cases[0].controls[1].draws]
    assert all((i.value, i.positions, i.feature.layer) == (6.0, "bos", 1) for (i,) in clamped)


def test_the_directions_control_is_another_direction_each_time(card):
    draws = card.cases[0].controls[2].draws
    assert {draw.edits for draw in draws} == {"direction"} and len({draw.seed for draw in draws}) == 5
    assert len({draw.refusal_score for draw in draws}) == 5


def test_a_features_effect_is_that_of_ablating_it_alone(card, tiny):
    facts = {one.feature: one for one in card.cases[0].features if one.how == "edited"}
    assert set(facts) == {"2-3", "3-4", "1-5"}
    for name, one in facts.items():
        before, after = tiny.measure([PROMPT], [Edits(), Edits.ablate([Feature.parse(name)])]).refusal_score[0]
        assert one.effect == pytest.approx(after - before, abs=1e-4)


def test_what_wakes_and_is_put_back_is_said_where_asked_for(card, tiny):
    state = card.cases[0].states[1]
    assert state.woken == len(refresh(tiny, PROMPT, OFF).woken)
    back = self_repair(tiny, PROMPT, [OFF])[0].put_back
    assert (state.put_back is None) == bool(np.isnan(back)) and state.put_back in (None, pytest.approx(back, abs=1e-3))
    assert made(tiny).cases[0].states[1].woken is None


def test_answers_are_kept_only_where_agreed(card, tiny):
    written = [state.judgement for state in card.cases[0].states]
    silent = [state.judgement for state in made(tiny, agreed=False).cases[0].states]
    assert all(one.answer is not None and one.digest == text_digest(one.answer) for one in written)
    assert [one.answer for one in silent] == [None] * 4
    assert [one.digest for one in silent] == [one.digest for one in written]


def test_answers_that_are_written_already_are_not_written_again(tiny):
    known = {Edits(): Answer("I cannot help with that.", True), OFF: Answer("Bake it.", True)}
    asked = [Asked(PROMPT, (("Edited", OFF),), 3, known)]
    (case,) = make_card(tiny, asked, page="a test", agreed=True, about=About()).cases
    assert [s.judgement.answer for s in case.states] == ["I cannot help with that.", "Bake it."]
    assert case.states[0].judgement.verdict == "refused"


def test_labels_and_meanings_are_taken_as_given(tiny, page_spec):
    asked = [Asked(PROMPT, (("Edited", OFF),), 0, {})]
    about = About(
        read_labels(page_spec.labels), lambda f: Meaning("harm detector", {"drugs": 0.5}) if f[0] == 2 else None
    )
    (case,) = make_card(tiny, asked, page="a test", agreed=False, about=about).cases
    facts = {one.feature: one for one in case.features}
    assert (facts["2-3"].label, facts["2-3"].role, facts["2-3"].categories) == (
        "label 2.3",
        "harm detector",
        {"drugs": 0.5},
    )
    assert (facts["3-4"].label, facts["3-4"].role, facts["3-4"].categories) == ("label 3.4", None, None)
    assert case.states[0].judgement is None


def test_the_command_repeats_a_plain_request_only(card, tiny):
    assert card.command == ""  # a conversation, and two sets of edits
    asked = [Asked("What's up; rm", (("Edited", OFF), ("A", CLAMP)), 5, {})]
    command = make_card(tiny, asked, page="a test", agreed=True, about=About(), seed=3).command
    assert command == (
        "hydrascope card make 'What'\"'\"'s up; rm' --model tiny --ablate 2-3,3-4 --pin A=1-5=6.0@bos --tokens 5 "
        "--seed 3 --answers --out card.html"
    )


def test_where_it_comes_from(card, tiny):
    source = card.source
    assert (source.model, source.dtype, source.device, source.n_layers) == ("tiny", "float32", "cpu", 4)
    assert [one.layer for one in source.saes] == [1, 2, 3] and len({one.digest for one in source.saes}) == 3
    assert source.direction.key == tiny.direction().key and len(source.weights) == 16
    assert "/" not in source.model_id and source.judge.kappa > 0.5
    assert card.cases[1].turns[-1].text == HOSTILE


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ([], "at least one prompt"),
        ([Asked(PROMPT, (("A", OFF), ("A", CLAMP)), 3, {})], "different names"),
        ([Asked(PROMPT, ((UNEDITED, OFF),), 3, {})], "different names"),
        ([Asked(PROMPT, (("A", OFF),), -1, {})], "length of an answer"),
        ([Asked("", (("A", OFF),), 3, {})], "empty"),
    ],
)
def test_what_makes_no_card_is_one_sentence(tiny, asked, says):
    with pytest.raises(InputError, match=says):
        make_card(tiny, asked, page="a test", agreed=False, about=About())
