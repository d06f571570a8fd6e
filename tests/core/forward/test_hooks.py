"""The column path against SAELens's whole-dictionary error-term path, direction edits against hand-written hooks."""

import pytest
import torch

from core import Edits, Feature, load
from core.forward.passes import in_pass
from core.models.architecture import decoder_layers
from tests.oracles import PLACES, PROMPTS, fast_logits, random_edits, slow

# Two float32 routes to the same logits (size about 10): sums in another order. The issue allows 1e-4.
LOGITS = 1e-4
EVERY = [Feature(layer, index) for layer in (1, 2, 3) for index in range(48)]
MANY = [Feature(1, 3), Feature(2, 0), Feature(2, 17), Feature(3, 47), *EVERY[::5]]


def assert_as_slow(engine, plain, saes, text, edits):
    fast = fast_logits(engine, [text], [edits])[0, 0]
    torch.testing.assert_close(fast, slow(plain, saes, engine.prompt(text), edits).logits[-1], rtol=0, atol=LOGITS)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", [0.0, 2.5, -1.5])
def test_columns_equal_the_whole_dictionary_with_its_error_term(tiny, plain, tiny_saes, place, value):
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[1], Edits.clamp(MANY, value, place))


@pytest.mark.parametrize("seed", range(25))
def test_any_mix_of_edits_equals_the_slow_path(tiny, plain, tiny_saes, seed):
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[seed % 4], random_edits(seed, tiny.direction()))


def test_every_feature_of_every_sae_can_be_ablated_at_once(tiny, plain, tiny_saes):
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[0], Edits.ablate(EVERY))


@pytest.mark.filterwarnings("ignore:Setting use_error_term directly")
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_saelens_own_error_term_under_its_own_hooks_agrees(tiny, plain, tiny_saes, value):
    """SAE.forward with use_error_term, an edit on hook_sae_acts_post, spliced in at each layer's output."""
    prompt = tiny.prompt(PROMPTS[0])

    def spliced(layer):
        def edit(activations, hook):
            activations[..., [f.index for f in MANY if f.layer == layer]] = value
            return activations

        def hook(module, args, output):
            sae = tiny_saes[layer]
            with sae.hooks(fwd_hooks=[("hook_sae_acts_post", edit)]):
                return sae(output)

        return hook

    handles = [plain.model.layers[layer].register_forward_hook(spliced(layer)) for layer in tiny_saes]
    for sae in tiny_saes.values():
        sae.use_error_term = True
    with torch.inference_mode():
        expected = plain(input_ids=torch.tensor([prompt.ids])).logits[0, -1]
    for handle in handles:
        handle.remove()
    for sae in tiny_saes.values():
        sae.use_error_term = False
    fast = fast_logits(tiny, [PROMPTS[0]], [Edits.clamp(MANY, value)])[0, 0]
    torch.testing.assert_close(fast, expected, rtol=0, atol=LOGITS)


@pytest.mark.parametrize("place", PLACES)
def test_ablating_the_direction_equals_hooks_written_by_hand(tiny, plain, tiny_saes, place):
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[1], Edits.ablate_direction(tiny.direction(), place))


@pytest.mark.parametrize("place", PLACES)
def test_adding_the_direction_equals_a_hook_written_by_hand(tiny, plain, tiny_saes, place):
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[1], Edits.add_direction(tiny.direction(), -4.0, place))


def test_nothing_of_an_ablated_direction_is_left_at_any_token(tiny):
    found = tiny.measure(PROMPTS[1], Edits.ablate_direction(tiny.direction()), every_token=True)
    assert abs(found.token_cosine).max() < 1e-6  # float32 rounding of h − (h·r)r, relative to ‖h‖
    assert abs(tiny.measure(PROMPTS[1]).cosine).max() > 0.05


def test_adding_and_ablating_act_together(tiny, plain, tiny_saes):
    """The addition at its layer is projected out again there: ablation has the last word on a block's output."""
    both = Edits.add_direction(tiny.direction(), 3.0) + Edits.ablate_direction(tiny.direction())
    assert_as_slow(tiny, plain, tiny_saes, PROMPTS[0], both)


def test_watching_reads_before_the_layers_own_edit_and_the_cosine_after_it(tiny, plain, tiny_saes):
    prompt, feature = tiny.prompt(PROMPTS[0]), Feature(2, 5)
    edits = Edits.clamp([Feature(1, 3)], 4.0) + Edits.clamp([feature], 30.0)
    found = tiny.measure(PROMPTS[0], edits, watch=[feature], every_token=True)
    expected = slow(plain, tiny_saes, prompt, edits)
    watched = tiny_saes[2].encode(expected.before[2])[:, 5].detach()
    torch.testing.assert_close(torch.from_numpy(found.activations[0, 0, 0]), watched, rtol=1e-5, atol=1e-5)
    assert 0 < watched.max() < 30  # and so not what the edit put there
    unit = tiny.direction().vector
    for layer in range(4):
        cosine = torch.nn.functional.cosine_similarity(expected.after[layer], unit[None], dim=-1)
        torch.testing.assert_close(torch.from_numpy(found.token_cosine[0, 0, layer]), cosine, rtol=0, atol=1e-5)


def test_a_feature_that_is_zero_everywhere_changes_nothing(tiny):
    active = tiny.features(PROMPTS[0])
    dormant = sorted(set(EVERY) - {Feature(*pair) for pair in active[["layer", "index"]].itertuples(index=False)})
    assert len(dormant) > 10
    base, off = fast_logits(tiny, [PROMPTS[0]], [Edits(), Edits.ablate(dormant)])[0]
    # Two rows of one batch: some CPUs' matrix products sum the last row in another order, so not to the bit.
    torch.testing.assert_close(base, off, rtol=0, atol=1e-5)


def test_the_model_is_the_plain_one_outside_a_pass(tiny, plain):
    ids = torch.tensor([tiny.prompt(PROMPTS[0]).ids])
    tiny.measure(PROMPTS[0], Edits.ablate(EVERY))
    with torch.inference_mode():
        assert torch.equal(tiny.model(input_ids=ids).logits, plain(input_ids=ids).logits)
    assert not in_pass()


def test_hooks_are_installed_once_however_much_is_measured(tiny, tiny_spec):
    fresh = load(
        tiny_spec, device="cpu", dtype="float32"
    )  # transformers adds hooks of its own once asked for hidden states

    def count():
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in fresh.model.modules())

    before = count()
    fresh.measure(list(PROMPTS), [Edits.ablate(EVERY), Edits.ablate_direction(tiny.direction())])
    assert count() == before == 4 * 3 + 2  # attention, MLP and block; the first block's input; the head


def test_a_model_without_decoder_layers_is_one_plain_error():
    from core import AssetError

    with pytest.raises(AssetError, match="no decoder layers"):
        decoder_layers(torch.nn.Linear(2, 2))
