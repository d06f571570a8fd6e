"""Measuring: every shortcut (one batch, shared layers, shared prefix, padding) gives what the slow way gives."""

import gc
import types
from dataclasses import replace

import numpy as np
import pytest
import torch

from core import Edits, Engine, Feature, refusal_score
from core.forward.batches import shared_prefix
from core.forward.token_budget import at_most
from core.measures.scores import divergences
from core.prompts.template import read_template
from tests.conftest import make_tokenizer
from tests.oracles import PLACES, PROMPTS, fast_logits, random_edits, slow

# Same arithmetic in batches of another shape: float32 sums in another order, no more.
SCORES = {"rtol": 0, "atol": 1e-5}
WATCH = [Feature(1, 3), Feature(3, 30), Feature(2, 5), Feature(2, 5)]


def sets(tiny, several):
    return [random_edits(seed, tiny.direction()) for seed in several]


def assert_same(one, other):
    np.testing.assert_allclose(one.p_refusal, other.p_refusal, **SCORES)
    np.testing.assert_allclose(one.refusal_score, other.refusal_score, rtol=0, atol=1e-4)  # log-odds of a small p
    np.testing.assert_allclose(one.cosine, other.cosine, **SCORES)
    np.testing.assert_allclose(one.kl, other.kl, rtol=0, atol=2e-5)
    # Activations are of size 10.
    np.testing.assert_allclose(one.activations, other.activations, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(one.token_cosine, other.token_cosine, **SCORES)


def everything(tiny, prompts, edits):
    return tiny.measure(prompts, edits, WATCH, kl=True, every_token=True)


def cut(found, prompt, column):
    """One cell of a measurement, as a measurement of that prompt and set alone would be."""
    length = len(found.tokens[prompt])
    own = (slice(prompt, prompt + 1), slice(column, column + 1))
    return type(found)(
        found.p_refusal[own],
        found.refusal_score[own],
        found.cosine[own],
        found.activations[own][..., :length],
        (found.tokens[prompt],),
        found.kl[own],
        found.token_cosine[own][..., :length],
    )


def test_no_edit_is_the_plain_model(tiny, plain):
    found = tiny.measure(list(PROMPTS), kl=True)
    for row, text in enumerate(PROMPTS):
        with torch.inference_mode():
            logits = plain(input_ids=torch.tensor([tiny.prompt(text).ids])).logits[0, -1]
            through_engine = tiny.model(input_ids=torch.tensor([tiny.prompt(text).ids])).logits[0, -1]
        assert torch.equal(logits, through_engine)
        p = logits.double().softmax(-1)[list(tiny.spec.refusal_tokens)].sum().item()
        assert found.p_refusal[row, 0] == pytest.approx(p, abs=1e-6)  # float32 logits, batched or not
        assert found.refusal_score[row, 0] == pytest.approx(np.log(p + 1e-8) - np.log(1 - p + 1e-8), abs=1e-4)
    assert (found.kl == 0).all()


def test_shapes_and_types_are_those_promised(tiny):
    found = everything(tiny, list(PROMPTS[:2]), [Edits(), Edits.ablate([Feature(1, 2)]), Edits()])
    longest = max(map(len, found.tokens))
    assert found.p_refusal.shape == found.refusal_score.shape == found.kl.shape == (2, 3)
    assert found.p_refusal.dtype == found.refusal_score.dtype == found.kl.dtype == np.float64
    assert found.cosine.shape == (2, 3, 4) and found.activations.shape == (2, 3, 4, longest)
    assert found.token_cosine.shape == (2, 3, 4, longest)
    assert found.cosine.dtype == found.activations.dtype == found.token_cosine.dtype == np.float32
    assert found.tokens == tuple(tiny.prompt(text).pieces for text in PROMPTS[:2])
    for row, pieces in enumerate(found.tokens):
        assert np.isnan(found.activations[row, :, :, len(pieces) :]).all()
        assert np.isfinite(found.activations[row, :, :, : len(pieces)]).all()
        assert np.isfinite(found.token_cosine[row, :, :, : len(pieces)]).all()
    np.testing.assert_array_equal(found.activations[:, :, 2], found.activations[:, :, 3])  # watched twice
    rows = np.arange(2), [len(pieces) - 1 for pieces in found.tokens]
    for row, last in zip(*rows, strict=True):
        np.testing.assert_array_equal(found.cosine[row], found.token_cosine[row, :, :, last])
    plain = tiny.measure(PROMPTS[0])
    assert plain.kl is None and plain.token_cosine is None and plain.activations.shape[2] == 0


@pytest.mark.parametrize("first", range(0, 60, 12))
def test_a_row_of_a_batch_is_the_same_edits_alone(tiny, first):
    several = sets(tiny, range(first, first + 12))
    together = everything(tiny, PROMPTS[1], several)
    for column, edits in enumerate(several):
        assert_same(cut(together, 0, column), everything(tiny, PROMPTS[1], edits))


@pytest.mark.parametrize("place", PLACES)
def test_a_row_of_a_batch_is_the_same_clamp_alone_at_every_place(tiny, place):
    several = [Edits.clamp([Feature(2, i), Feature(3, i)], 4.0, place) for i in range(0, 48, 5)]
    together = everything(tiny, PROMPTS[0], several)
    for column, edits in enumerate(several):
        assert_same(cut(together, 0, column), everything(tiny, PROMPTS[0], edits))


@pytest.mark.parametrize("first", range(100, 120, 4))
def test_prompts_together_are_the_prompts_one_at_a_time(tiny, first):
    """Right padding, and the template's prefix computed once per edit set."""
    several = sets(tiny, range(first, first + 4))
    prompts = [tiny.prompt(text) for text in PROMPTS]
    assert shared_prefix(prompts) >= 4 and len(set(map(len, prompts))) == 4
    together = everything(tiny, list(PROMPTS), several)
    for row, text in enumerate(PROMPTS):
        alone = everything(tiny, text, several)
        for column in range(len(several)):
            assert_same(cut(together, row, column), cut(alone, 0, column))


def test_cosines_are_the_same_whether_all_tokens_are_asked_for_or_only_the_last(tiny):
    several = sets(tiny, range(4))
    for prompts in (list(PROMPTS), PROMPTS[0]):
        last, every = (tiny.measure(prompts, several, every_token=every).cosine for every in (False, True))
        np.testing.assert_allclose(last, every, **SCORES)


def test_a_prefix_that_stands_in_other_spans_is_not_shared(tiny):
    """Where the template is ordinary text, a person can type what looks like it."""
    tokenizer = make_tokenizer()
    tokenizer.chat_template = "{{ bos_token }}Question: {{ messages[0]['content'] }}\nAnswer:"
    engine = Engine(replace(tiny.runtime, tokenizer=tokenizer, template=read_template(tokenizer)), "for a test")
    texts = ["bread", "bread\nAnswer: no"]
    one, other = (engine.prompt(text) for text in texts)
    start, end = one.spans["template"]
    assert one.ids == other.ids[: len(one)] and shared_prefix([one, other]) == start < end - 1
    edits = [Edits.clamp([Feature(2, i) for i in range(20)], 4.0, place) for place in ("instruction", "template")]
    found = engine.measure(texts, edits).p_refusal
    for row, text in enumerate(texts):
        np.testing.assert_allclose(found[row], engine.measure(text, edits).p_refusal[0], **SCORES)


def test_prompts_together_agree_with_the_slow_path(tiny, plain, tiny_saes):
    several = sets(tiny, range(200, 206))
    logits = fast_logits(tiny, PROMPTS, several)
    for row, text in enumerate(PROMPTS):
        for column, edits in enumerate(several):
            expected = slow(plain, tiny_saes, tiny.prompt(text), edits).logits[-1]
            torch.testing.assert_close(logits[row, column], expected, rtol=0, atol=1e-4)


def test_a_small_token_budget_only_cuts_the_work_into_more_passes(tiny):
    several = sets(tiny, range(300, 309))
    whole = everything(tiny, list(PROMPTS), several)
    alone = everything(tiny, PROMPTS[0], several)
    with at_most(20):  # fewer than one prompt's: one row, or two sets' prefixes
        assert_same(everything(tiny, list(PROMPTS), several), whole)
        assert_same(everything(tiny, PROMPTS[0], several), alone)


def test_the_same_prompt_twice_is_measured_twice(tiny):
    found = everything(tiny, [PROMPTS[0], PROMPTS[0], PROMPTS[2]], sets(tiny, [1, 2]))
    for column in range(2):
        assert_same(cut(found, 0, column), cut(found, 1, column))


def test_a_shared_prefix_ends_before_any_prompts_last_token(tiny):
    prompts = [tiny.prompt("How"), tiny.prompt("How do")]
    assert 4 <= shared_prefix(prompts) < min(map(len, prompts))
    assert shared_prefix([prompts[0], prompts[0]]) == len(prompts[0]) - 1
    for p in prompts:
        assert (p.position_bits[: shared_prefix(prompts)] == prompts[0].position_bits[: shared_prefix(prompts)]).all()


def test_ablating_is_clamping_to_zero_as_measured(tiny):
    several = [Feature(layer, index) for layer in (1, 2, 3) for index in range(20)]
    found = everything(tiny, PROMPTS[1], [Edits.ablate(several), Edits.clamp(several, 0.0)])
    np.testing.assert_allclose(found.refusal_score[:, 0], found.refusal_score[:, 1], **SCORES)
    np.testing.assert_allclose(found.activations[:, 0], found.activations[:, 1], **SCORES)


def test_ablating_what_is_dormant_changes_nothing_measured(tiny):
    active = {Feature(*pair) for pair in tiny.features(PROMPTS[0])[["layer", "index"]].itertuples(index=False)}
    dormant = [Feature(n, i) for n in (1, 2, 3) for i in range(48) if (n, i) not in active]
    found = everything(tiny, PROMPTS[0], [Edits(), Edits.ablate(dormant)])
    np.testing.assert_allclose(found.p_refusal[:, 0], found.p_refusal[:, 1], **SCORES)
    # A cosine is read in a batch of another shape.
    np.testing.assert_allclose(found.token_cosine[:, 0], found.token_cosine[:, 1], rtol=0, atol=1e-6)


def test_activations_at_bos_are_the_same_for_every_prompt(tiny):
    """Position 0 sees only itself, so only the edits move it."""
    watch = [Feature(layer, index) for layer in (1, 2, 3) for index in range(48)]
    several = sets(tiny, range(400, 410))
    together = tiny.measure(list(PROMPTS), several, watch)
    alone = tiny.measure(PROMPTS[3], several, watch)
    for row in range(len(PROMPTS)):
        np.testing.assert_allclose(
            together.activations[row, ..., 0], alone.activations[0, ..., 0], rtol=1e-5, atol=1e-5
        )
    assert (abs(np.diff(together.activations[0, :, :, 0], axis=0)) > 0.1).any()  # the edits do


def test_kl_is_measured_from_the_unedited_model(tiny, plain, tiny_saes):
    edits = Edits.clamp([Feature(2, 5), Feature(3, 9)], 4.0)
    found = tiny.measure([PROMPTS[0], PROMPTS[1]], [Edits(), edits], kl=True).kl
    for row, text in enumerate(PROMPTS[:2]):
        base, edited = (
            slow(plain, tiny_saes, tiny.prompt(text), e).logits[-1].double().log_softmax(-1) for e in (Edits(), edits)
        )
        assert found[row, 1] == pytest.approx((base.exp() * (base - edited)).sum().item(), rel=1e-4)
    np.testing.assert_allclose(tiny.kl(PROMPTS[:2], [Edits(), edits], tiny.reference(PROMPTS[:2])), found, atol=1e-7)
    np.testing.assert_allclose(tiny.kl(PROMPTS[:2], [Edits(), edits]), found, atol=1e-7)
    assert found[0, 1] > 0.01 and (found[:, 0] == 0).all()


def test_small_kls_are_right_and_never_negative(tiny, plain, tiny_saes):
    """Against the definition in float64 throughout. A normalisation in float32 would add 1e-5 to each."""
    weak = [Edits.ablate([Feature(2, i)], strength=s) for i in range(8) for s in (0.02, 0.1)]
    found = tiny.measure([PROMPTS[0]], weak, kl=True).kl[0]
    base, *edited = (
        slow(plain, tiny_saes, tiny.prompt(PROMPTS[0]), one).logits[-1].double().log_softmax(-1)
        for one in (Edits(), *weak)
    )
    right = [(base.exp() * (base - one)).sum().item() for one in edited]
    assert min(right) < 1e-6 < max(right), "or the test shows nothing"
    np.testing.assert_allclose(found, right, rtol=2e-3, atol=1e-10)
    nothing = tiny.measure(list(PROMPTS), [Edits.ablate([Feature(2, 3)], strength=0.0)] * 3, kl=True).kl
    assert (nothing >= 0).all() and (nothing < 1e-10).all()


def test_a_divergence_is_that_of_the_definition_and_0_of_equal_rows():
    logits = 5 * torch.randn(2, 40, 300, generator=torch.Generator().manual_seed(0)).double()
    first, second = logits.log_softmax(-1)
    right = (first.exp() * (first - second)).sum(-1)
    torch.testing.assert_close(divergences(first.float(), second.float()), right, rtol=1e-6, atol=1e-8)
    assert (divergences(first.float(), first.float()) == 0).all()
    near = (first + 1e-4 * torch.randn(first.shape, generator=torch.Generator().manual_seed(1))).log_softmax(-1)
    small = (first.exp() * (first - near)).sum(-1)
    found = divergences(first.float(), near.float())
    assert (found >= 0).all() and torch.allclose(found, small, rtol=0.02, atol=1e-11) and small.max() < 1e-7
    never = torch.tensor([[0.0, -1000.0, float("-inf")]])
    assert torch.isfinite(divergences(never, torch.tensor([[-0.5, -1.0, -3.0]]))).all()


def test_the_unedited_model_is_0_nats_from_itself_whatever_it_is_batched_with(tiny):
    sets = [Edits.ablate([Feature(2, i)]) for i in range(5)]
    some = [*sets[:2], Edits(), *sets[2:], Edits()]
    for found in (tiny.measure(list(PROMPTS), some, kl=True).kl, tiny.kl(list(PROMPTS), some)):
        assert (found[:, [2, 6]] == 0).all() and not np.signbit(found[:, [2, 6]]).any()
        assert (found[:, [0, 1, 3, 4, 5]] != 0).any()


def test_the_score_stays_finite_at_the_ends():
    score = refusal_score(np.array([0.0, 0.5, 1.0]))
    assert np.isfinite(score).all() and score[1] == 0 and score[0] == -score[2] == pytest.approx(-18.42, abs=0.01)


def test_a_measurement_holds_plain_values_only(tiny):
    seen, todo = set(), [everything(tiny, list(PROMPTS[:2]), sets(tiny, [1, 2]))]
    skipped = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    while todo:
        value = todo.pop()
        if id(value) not in seen and not isinstance(value, skipped):
            seen.add(id(value))
            assert not isinstance(value, torch.Tensor | torch.nn.Module)
            assert not type(value).__module__.startswith(("core.engine", "core.forward.runtime", "transformers"))
            todo += gc.get_referents(value)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's own lazy attributes, met on the walk
def test_nothing_piles_up_between_calls(tiny):
    def tensors():
        tiny.runtime.residency.clear()  # what it holds has a budget of its own
        gc.collect()
        return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())

    everything(tiny, list(PROMPTS), sets(tiny, range(5)))
    before, attributes = tensors(), set(vars(tiny))
    for seed in range(10):
        everything(tiny, list(PROMPTS), sets(tiny, [seed, seed + 50]))
        tiny.features(PROMPTS[0])
        list(tiny.generate(PROMPTS[0], max_new_tokens=3))
    assert tensors() <= before and set(vars(tiny)) == attributes
