"""Strengths and conditions against the slow path: alone, in batches, under padding, with a cache, sharing layers."""

import numpy as np
import pytest
import torch

from core import Edits, Feature, InputError, Sensor
from core.edits.edits import FeatureEdit
from core.forward.batches import run
from core.forward.passes import PassRequest
from tests.oracles import PLACES, PROMPTS, fast_logits, random_conditional_edits, slow, slow_answer

LOGITS = 1e-4  # two float32 routes to the same logits, sums in another order
SOME = [Feature(2, i) for i in range(0, 48, 4)] + [Feature(3, i) for i in range(0, 48, 4)]
TOKENS = 12


def assert_as_slow(engine, plain, saes, text, edits):
    fast = fast_logits(engine, [text], [edits])[0, 0]
    torch.testing.assert_close(fast, slow(plain, saes, engine.prompt(text), edits).logits[-1], rtol=0, atol=LOGITS)


@pytest.fixture
def sensor(tiny):
    """A sensor in layer 1 and a threshold that splits the tokens of a prompt: some above it, some below but active."""
    frame = tiny.features(PROMPTS[1]).query("layer == 1")
    counts = frame.groupby("index")["activation"].agg(["size", "min", "max"])
    chosen = counts[counts["size"] >= 4].index[0]
    values = np.sort(frame[frame["index"] == chosen]["activation"].to_numpy())
    return Feature(1, int(chosen)), float(values[len(values) // 2 - 1 : len(values) // 2 + 1].mean())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 2.5])
def test_any_strength_equals_the_slow_path(tiny, plain, tiny_saes, place, strength):
    edits = Edits.clamp(SOME, 4.0, place, strength=strength)
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[1], edits)
    edits = Edits.ablate_direction(tiny.direction(), place, strength=strength)
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[1], edits)


def test_strength_zero_is_no_edit_and_strength_one_the_whole(tiny):
    for whole in (
        Edits.ablate(SOME),
        Edits.clamp(SOME, 4.0),
        Edits.ablate_direction(tiny.direction()),
        Edits.add_direction(tiny.direction(), 3.0),
    ):
        none, zero = (fast_logits(tiny, [PROMPTS[0]], [e]) for e in (Edits(), whole.at_strength(0)))
        full, one = (fast_logits(tiny, [PROMPTS[0]], [e]) for e in (whole, whole.at_strength(1)))
        assert torch.equal(none, zero) and torch.equal(full, one) and not torch.equal(none, full)


def test_a_direction_ablated_twice_over_is_turned_round(tiny):
    """h − 2(h·r̂)r̂ at a block's output, after whatever the parts before it did."""
    found = tiny.measure(PROMPTS[0], [Edits.ablate_direction(tiny.direction(), strength=s) for s in (0, 0.5, 1)])
    last = abs(found.cosine[0, :, -1])
    assert last[0] > last[1] > last[2] and last[2] < 1e-6


def test_a_clamp_acts_at_the_tokens_where_its_sensor_fires_and_at_no_others(tiny, plain, tiny_saes, sensor):
    edits = Edits.clamp(SOME, 6.0, when=sensor)
    prompt = tiny.prompt(PROMPTS[1])
    read = tiny.measure(PROMPTS[1], edits, watch=[sensor[0]]).activations[0, 0, 0]
    on = torch.from_numpy(read > sensor[1])
    assert 0 < on.sum() < len(prompt)
    found = slow(plain, tiny_saes, prompt, edits)
    changed = (found.before[2] - found.after[2]).abs().max(-1).values > 1e-4
    assert torch.equal(changed, on)
    request = PassRequest(residuals=frozenset({3}))
    batch = next(iter(run(tiny.runtime, tiny.runtime.plan([edits]), [prompt], request)))
    torch.testing.assert_close(batch.current.residuals[3][0], found.before[3], rtol=1e-4, atol=1e-4)
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[1], edits)


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 1e6])
def test_a_threshold_below_zero_is_always_passed_and_a_huge_one_never(tiny, threshold):
    feature = Feature(1, 0)
    found, always, never = fast_logits(
        tiny, [PROMPTS[1]], [Edits.clamp(SOME, 6.0, when=(feature, threshold)), Edits.clamp(SOME, 6.0), Edits()]
    )[0]
    if threshold < 0:
        torch.testing.assert_close(found, always, rtol=0, atol=1e-5)
    if threshold > 1e5:
        torch.testing.assert_close(found, never, rtol=0, atol=1e-5)
    assert not torch.allclose(always, never, atol=0.1)


def test_a_sensor_is_read_before_its_own_layers_edit(tiny, plain, tiny_saes, sensor):
    """The same layer ablates the sensor itself, and the condition is met all the same."""
    feature, threshold = sensor
    several = [Feature(1, i) for i in range(0, 48, 3)]
    edits = Edits.ablate([feature]) + Edits.clamp(several, 5.0, when=(feature, threshold))
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[1], edits)
    with_it, without = fast_logits(tiny, [PROMPTS[1]], [edits, Edits.ablate([feature])])[0]
    assert not torch.allclose(with_it, without, atol=0.1)


def test_where_two_items_meet_the_one_written_last_whose_condition_is_met_holds(tiny, plain, tiny_saes, sensor):
    always, on = Edits.ablate(SOME), Edits.clamp(SOME, 6.0, when=sensor)
    for edits in (always + on, on + always, always + on + Edits.clamp(SOME, 2.0, "last")):
        assert_as_slow(tiny, plain, tiny_saes, PROMPTS[1], edits)
    overruled, alone = fast_logits(tiny, [PROMPTS[1]], [on + always, always])[0]
    torch.testing.assert_close(overruled, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(40))
def test_any_mix_of_conditions_and_strengths_equals_the_slow_path(tiny, plain, tiny_saes, seed):
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[seed % 4], random_conditional_edits(seed, tiny.direction()))


@pytest.mark.parametrize("first", range(100, 130, 6))
def test_rows_of_a_batch_with_sensors_of_their_own_are_the_same_edits_alone(tiny, first):
    several = [random_conditional_edits(seed, tiny.direction()) for seed in range(first, first + 6)]
    several.insert(2, Edits.ablate(SOME))
    together = fast_logits(tiny, PROMPTS, several)  # padded, on a shared prefix
    for row, text in enumerate(PROMPTS):
        one_prompt = fast_logits(tiny, [text], several)[0]  # layers below the lowest edit shared
        for column, edits in enumerate(several):
            alone = fast_logits(tiny, [text], [edits])[0, 0]
            torch.testing.assert_close(together[row, column], alone, rtol=0, atol=LOGITS)
            torch.testing.assert_close(one_prompt[column], alone, rtol=0, atol=LOGITS)


def test_a_sensor_in_the_shared_layers_switches_each_row_for_itself(tiny, plain, tiny_saes, sensor):
    feature, _ = sensor
    several = [Edits.clamp([Feature(3, 4 * i + j) for j in range(4)], 9.0, when=(feature, i / 2)) for i in range(10)]
    assert tiny.runtime.plan(several).lowest == 3
    fast = fast_logits(tiny, [PROMPTS[1]], several)[0]
    for row, edits in zip(fast, several, strict=True):
        expected = slow(plain, tiny_saes, tiny.prompt(PROMPTS[1]), edits).logits[-1]
        torch.testing.assert_close(row, expected, rtol=0, atol=LOGITS)


@pytest.mark.parametrize("seed", range(200, 216))
def test_answers_with_a_cache_are_those_of_full_recomputation(tiny, plain, tiny_saes, seed):
    edits, text = random_conditional_edits(seed, tiny.direction()), PROMPTS[seed % 4]
    ids = slow_answer(plain, tiny_saes, tiny.prompt(text), edits, TOKENS, frozenset({1}))
    expected = tiny.runtime.tokenizer.decode(ids, skip_special_tokens=True)
    assert "".join(tiny.generate(text, edits, TOKENS)) == expected


@pytest.mark.parametrize("first", range(300, 309, 3))
def test_answers_in_a_batch_are_those_one_by_one(tiny, first):
    several = [random_conditional_edits(seed, tiny.direction()) for seed in range(first, first + 3)]
    alone = [["".join(tiny.generate(text, edits, TOKENS)) for edits in several] for text in PROMPTS]
    assert tiny.answers(PROMPTS, several, TOKENS) == alone


def test_a_condition_on_generated_tokens_is_read_at_each_of_them(tiny, plain, tiny_saes, sensor):
    always = Edits.clamp(SOME, 8.0, "generated")
    on = Edits.clamp(SOME, 8.0, "generated", when=(sensor[0], 0.5))
    answers = [slow_answer(plain, tiny_saes, tiny.prompt(PROMPTS[1]), e, TOKENS, frozenset({1})) for e in (on, always)]
    assert "".join(tiny.generate(PROMPTS[1], on, TOKENS)) == tiny.runtime.tokenizer.decode(answers[0])
    assert answers[0] != answers[1]


def test_without_strengths_and_conditions_a_plan_has_no_tables_for_them(tiny):
    plan = tiny.runtime.plan([Edits.ablate(SOME), Edits.clamp(SOME, 4.0, "bos")], watch=SOME[:3])
    for layer in plan.layers.values():
        assert layer.strength is None and layer.tiers == () and layer.sensed is None and layer.sensor_slots == ()


def test_a_sensor_this_model_does_not_have_is_one_plain_error(tiny):
    for feature, words in ((Feature(0, 1), "Layer 0 has no SAE"), (Feature(2, 48), "Feature 2-48 does not exist")):
        with pytest.raises(InputError, match=words):
            tiny.check(Edits.clamp([Feature(3, 1)], 1.0, when=(feature, 1.0)))


def test_a_sensor_above_the_edit_cannot_be_made_at_all():
    with pytest.raises(InputError, match="layer 2 or below"):
        FeatureEdit(Feature(2, 1), 0.0, "all", when=Sensor(Feature(3, 1), 1.0))
    assert FeatureEdit(Feature(2, 1), 0.0, "all", when=Sensor(Feature(2, 1), 1.0))
