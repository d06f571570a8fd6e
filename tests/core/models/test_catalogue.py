"""The catalogue: every entry against SAELens's own directory, and names that lead where they say."""

import pytest

from core import InputError, UnknownModelError
from core.models import catalogue
from core.models.registry import find_spec, from_catalogue, model_names
from core.saes.published import SaeRef, published, residual_saes


@pytest.mark.parametrize("name", catalogue.catalogue_names())
def test_every_suite_is_saelens_own_in_all_its_layers(name):
    spec = find_spec(name)
    assert spec.name == name and name in model_names()
    for layer, ref in spec.saes.items():
        known = published(ref)
        assert ref in residual_saes(ref.release)[layer]
        assert known.neuronpedia in ("", spec.neuronpedia.get(layer))
    assert spec.layers == tuple(spec.saes) == tuple(sorted(spec.saes))


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("gemma-2-2b-it", 12),
        ("llama-3.1-8b-instruct", 10),
        ("gemma-3-1b-it/65k-medium", 13),
        ("llama-3.1-8b-instruct/andyrdt", 27),
        ("llama-3.1-8b-instruct/goodfire", 19),
    ],
)
def test_pages_on_neuronpedia_are_those_saelens_names(name, layer):
    spec = find_spec(name)
    assert published(spec.saes[layer]).neuronpedia == spec.neuronpedia[layer]


def test_the_papers_layers_and_steering_layers():
    gemma, llama = find_spec("gemma-2-2b-it"), find_spec("llama-3.1-8b-instruct")
    assert (gemma.steering_layer, gemma.layers) == (16, tuple(range(2, 17)))
    assert (llama.steering_layer, llama.layers) == (13, tuple(range(2, 14)))
    assert gemma.refusal_tokens == (235285,) and llama.refusal_tokens == (40,)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gemma-2-2b-it", "base model"),
        ("gemma-2-2b-it/65k-l0-40", "base model"),
        ("llama-3.1-8b-instruct/32x", "base model"),
        ("llama-3.1-8b-instruct/andyrdt", "trained on exactly this model"),
        ("llama-3.1-8b-instruct/goodfire", "only after layer 19"),
        ("gemma-3-1b-it", "trained on exactly this model"),
    ],
)
def test_a_caveat_belongs_to_the_suite_and_not_to_the_model(name, told):
    assert told in find_spec(name).caveat


def test_every_layer_of_the_instruct_trained_suites_is_there():
    for name, layers in (("andyrdt", (3, 7, 11, 15, 19, 23, 27)), ("goodfire", (19,))):
        spec = find_spec(f"llama-3.1-8b-instruct/{name}")
        assert spec.layers == layers == tuple(residual_saes(spec.saes[19].release))
        assert all(published(ref).wanted.inert for ref in spec.saes.values())
    assert published(spec.saes[19]).wanted.files == ("Llama-3.1-8B-Instruct-SAE-l19.pth",)
    assert not any(published(ref).wanted.inert for ref in find_spec("llama-3.1-8b-instruct").saes.values())


def test_canonical_sparsities_of_gemma_scope_are_those_published():
    canonical = [
        73,
        121,
        77,
        89,
        89,
        105,
        107,
        107,
        111,
        118,
        128,
        70,
        72,
        75,
        73,
        127,
        128,
        125,
        116,
        115,
        114,
        111,
        116,
        123,
        124,
        93,
    ]
    for layer, l0 in enumerate(canonical):
        ref = SaeRef("gemma-scope-2b-pt-res-canonical", f"layer_{layer}/width_65k/canonical")
        assert published(ref).folder == f"layer_{layer}/width_65k/average_l0_{l0}"


def test_another_sparsity_is_the_nearest_published_in_each_layer():
    spec = find_spec("gemma-2-2b-it/65k-l0-40")
    assert spec.saes[12] == SaeRef("gemma-scope-2b-pt-res", "layer_12/width_65k/average_l0_38")
    assert spec.name == "gemma-2-2b-it/65k-l0-40" and not spec.neuronpedia
    for layer, ref in spec.saes.items():
        every = [
            int(r.sae_id.rpartition("_")[2]) for r in residual_saes(ref.release)[layer] if "/width_65k/" in r.sae_id
        ]
        assert abs(int(ref.sae_id.rpartition("_")[2]) - 40) == min(abs(l0 - 40) for l0 in every)


def test_other_layers_can_be_asked_for():
    assert from_catalogue("gemma-2-2b-it", (0, 25)).layers == (0, 25)
    with pytest.raises(InputError, match="has no SAE"):
        from_catalogue("gemma-2-2b-it", (26,))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gemma-4", "There is no model"),
        ("gemma-2-2b-it/1k", "choose one of 65k, 16k, with -l0-N"),
        ("llama-3.1-8b-instruct/8x-l0-50", "choose one of 8x, 32x, andyrdt, goodfire."),
    ],
)
def test_a_wrong_name_says_what_there_is(name, told):
    with pytest.raises(UnknownModelError, match=told):
        find_spec(name)


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        (("llama_scope_lxr", "l1r_8x"), "did you mean llama_scope_lxr_8x"),
        (("llama_scope_lxr_8x", "l40r_8x"), "did you mean"),
        (("qwen-scope-3-8b-base-w64k-l50", "layer3"), "layout “qwen_scope”, which cannot be read"),
    ],
)
def test_an_sae_that_cannot_be_had_says_why(ref, told):
    with pytest.raises(InputError, match=told):
        published(SaeRef(*ref))


@pytest.mark.parametrize("release", ["gemma-scope-2b-pt-mlp-canonical", "llama_scope_lxm_8x"])
def test_a_release_elsewhere_than_at_the_residual_stream_is_refused(release):
    with pytest.raises(InputError, match="residual stream"):
        residual_saes(release)


def test_what_reads_before_a_layer_belongs_to_the_layer_below():
    release = "pythia-70m-deduped-res-sm"  # its first reads the embeddings
    assert set(residual_saes(release)) == set(range(6))
    layers = residual_saes("gpt2-small-res_sce-ajt")
    assert layers[5] == (SaeRef("gpt2-small-res_sce-ajt", "blocks.6.hook_resid_pre"),) and set(layers) == {1, 5, 9}


@pytest.mark.parametrize("name", ["llama-3.1-8b-instruct", "llama-3.1-8b-instruct/32x"])
def test_a_system_block_can_be_left_out_by_name(name):
    bare = find_spec(name + "+no-system")
    assert (bare.system, bare.name, find_spec(name).system) == ("", name + "+no-system", None)
    assert bare.saes == find_spec(name).saes


def test_what_writes_no_system_block_has_none_to_leave_out():
    with pytest.raises(UnknownModelError, match="gemma-2-2b-it has no system block"):
        find_spec("gemma-2-2b-it/16k+no-system")
