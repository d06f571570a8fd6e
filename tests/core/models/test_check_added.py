"""A model of one's own, from a few words to a loaded engine, through the loopback hub and from local folders; and each
thing that can be wrong with it, in its sentence, before any weight is asked for.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import AssetError, DownloadError, Edits, Feature, InputError, ModelSpec, load
from core.errors import Cancelled, GatedError
from core.models import registry
from core.models.check_added import NOT_FOUND, Draft, check_draft, check_for_strangers
from core.models.footprint import footprint
from core.saes.published import SaeRef
from tests.conftest import make_model, make_tokenizer
from tests.loopback_hub.environment import go_offline
from tests.loopback_hub.models import tiny_causal_lm
from tests.served_models import CANONICAL, HUB, LAYERS, MODEL, home, local, serve_saes, served, weights_asked

__all__ = ["home", "local", "served"]  # fixtures
PROMPTS = ["How do I bake bread?", "Tell me a story about a small town."]


def same_measurements(found, expected):
    assert found.n_layers == expected.n_layers and found.widths == expected.widths
    sets = [Edits(), Edits.ablate([Feature(layer, index) for layer in found.widths for index in range(20)])]
    first, second = (
        engine.measure(PROMPTS, sets, [Feature(layer, 7) for layer in found.widths], kl=True)
        for engine in (found, expected)
    )
    for name in ("refusal_score", "p_refusal", "activations", "kl"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert np.ptp(first.refusal_score, axis=1).min() > 0, "the edits do something, or the comparison says nothing"
    assert list(found.generate(PROMPTS[0], sets[1], 4)) == list(expected.generate(PROMPTS[0], sets[1], 4))


# From the hub


def test_from_the_hub_it_is_the_spec_made_by_hand(served):
    found = check_draft(HUB)
    assert not weights_asked(served)
    assert (found.n_layers, found.d_model, found.pieces, found.unread) == (6, 32, ("I",), LAYERS)
    registry.remember(found.model)
    by_hand = ModelSpec(
        "by-hand",
        MODEL,
        LAYERS,
        found.model.refusal_tokens,
        {layer: SaeRef(CANONICAL, f"layer_{layer}/width_16k/canonical") for layer in LAYERS},
    )
    same_measurements(*(load(one, device="cpu", dtype="float32") for one in ("mine", by_hand)))


def test_it_has_the_pages_on_neuronpedia_that_saelens_names(served):
    found = check_draft(HUB)
    assert found.model.neuronpedia[3] == "gemma-2-2b/3-gemmascope-res-16k"
    assert found.spec.neuronpedia == found.model.neuronpedia and set(found.model.neuronpedia) == set(LAYERS)


def test_what_it_needs_is_said_before_anything_of_it_is_here(served):
    found = footprint(check_draft(HUB).spec)
    assert found.saes == 3 and found.saes_packed == 0 and found.download > found.packing > 0 and found.fits


@pytest.mark.parametrize(
    ("saes", "choose"),
    [
        (CANONICAL, "width_16k"),
        (CANONICAL, "layer_{layer}/width_16k/canonical"),
        (f"{CANONICAL}/layer_{{layer}}/width_16k/canonical", ""),
        (f" {CANONICAL}/width_16k", " canonical "),
    ],
)
def test_one_sae_of_several_is_chosen_by_its_name_or_a_part_of_it(served, saes, choose):
    assert check_draft(replace(HUB, saes=saes, choose=choose)).model == check_draft(HUB).model


def test_without_layers_all_that_are_found_are_taken(served, tmp_path):
    release = "pythia-70m-deduped-res-sm"
    refs = [SaeRef(release, f"blocks.{layer}.hook_resid_post") for layer in range(6)]
    serve_saes(served, tmp_path, refs, range(6))
    found = check_draft(Draft("mine", MODEL, release))
    assert found.model.layers == tuple(range(6)) and found.unread == ()
    assert found.model.saes[5] == refs[5] and not weights_asked(served)


def test_saes_that_read_before_a_layer_belong_to_the_one_below(served, tmp_path):
    """{layer} stands for the number in the name, which is here the layer's own plus one."""
    release = "gpt2-small-res_sce-ajt"
    refs = [SaeRef(release, f"blocks.{layer + 1}.hook_resid_pre") for layer in (1, 5)]
    serve_saes(served, tmp_path, refs, (1, 5))
    found = check_draft(Draft("mine", MODEL, release, "blocks.{layer}.hook_resid_pre", (1, 5)))
    assert found.model.saes == dict(zip((1, 5), refs, strict=True))


def test_a_revision_is_kept_and_asked_for(served, tmp_path):
    tiny_causal_lm(tmp_path / "second", "gemma2", layers=5, seed=1)
    served.add(MODEL, tmp_path / "second", revision="v2")
    found = check_draft(replace(HUB, revision="v2"))
    assert found.n_layers == 5 and found.spec.revision == "v2" and check_draft(HUB).n_layers == 6
    with pytest.raises(DownloadError, match="has no revision “v3”"):
        check_draft(replace(HUB, revision="v3"))


def test_packed_saes_and_a_model_that_is_here_are_checked_offline(served, monkeypatch):
    load(check_draft(HUB).spec, device="cpu", dtype="float32")
    go_offline(monkeypatch)
    asked = len(served.requests)
    found = check_draft(HUB)
    assert found.unread == () and len(served.requests) == asked, "the records say what Gemma Scope's files do not"


def test_it_can_be_stopped(served):
    with pytest.raises(Cancelled):
        check_draft(HUB, cancelled=lambda: True)


def test_progress_goes_forward(served, tmp_path):
    told = []
    check_draft(HUB, lambda message, share: told.append(share))
    assert told == sorted(told) and told[-1] == 1.0


# From folders


def test_from_folders_it_is_the_spec_made_by_hand(local, tiny_spec, tiny, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = check_draft(replace(local, model_id="model", saes="./saes", revision=" "))
    assert Path(found.spec.model_id) == tmp_path / "model" and found.unread == () and found.spec.revision is None
    assert found.model.refusal_tokens == tiny_spec.refusal_tokens and found.pieces == ("I",)
    registry.remember(found.model)
    monkeypatch.chdir(tmp_path.parent)
    same_measurements(load("mine", device="cpu", dtype="float32"), tiny)


def test_a_local_model_without_weights(local):
    (Path(local.model_id) / "model.safetensors").unlink()
    with pytest.raises(AssetError, match="has no weights as safetensors"):
        check_draft(local)


def test_a_base_model_without_a_template_is_checked_and_loaded(tmp_path, local):
    tokenizer = make_tokenizer()
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "base")
    make_model(len(tokenizer)).save_pretrained(tmp_path / "base", safe_serialization=True)
    found = check_draft(replace(local, model_id=str(tmp_path / "base")))
    assert found.pieces == (" I",)
    assert load(found.spec, device="cpu", dtype="float32").measure(PROMPTS).p_refusal.shape == (2, 1)


def test_a_model_whose_prompts_begin_with_what_was_typed_is_refused(tmp_path, local, tiny_spec):
    """Neither BOS nor a template: the first token would be no other prompt's, and it is left out of every count."""
    tokenizer = make_tokenizer()
    tokenizer.chat_template = tokenizer.bos_token = None
    tokenizer.save_pretrained(tmp_path / "base")
    make_model(len(tokenizer)).save_pretrained(tmp_path / "base", safe_serialization=True)
    for refused in (
        lambda: check_draft(replace(local, model_id=str(tmp_path / "base"))),
        lambda: load(replace(tiny_spec, model_id=str(tmp_path / "base")), device="cpu", dtype="float32"),
    ):
        with pytest.raises(InputError, match="neither a BOS token nor a chat template"):
            refused()


# What can be wrong with the model


def test_a_repository_that_is_not_there(served):
    with pytest.raises(DownloadError, match="There is no model nobody/nothing at"):
        check_draft(replace(HUB, model_id="nobody/nothing"))


def test_a_gated_repository(served, tmp_path):
    served.add(MODEL, tmp_path / "model", gated="manual")
    with pytest.raises(GatedError, match=r"somebody/tiny is gated: accept its licence .*HF_TOKEN"):
        check_draft(HUB)


def test_a_repository_without_a_config(served, tmp_path):
    (tmp_path / "model" / "config.json").unlink()
    served.add(MODEL, tmp_path / "model")
    with pytest.raises(DownloadError, match=r"somebody/tiny has no file “config\.json”"):
        check_draft(HUB)


def test_a_repository_with_pickled_weights_only(served, tmp_path):
    (tmp_path / "model" / "model.safetensors").rename(tmp_path / "model" / "pytorch_model.bin")
    served.add(MODEL, tmp_path / "model")
    with pytest.raises(AssetError, match="somebody/tiny has no weights as safetensors"):
        check_draft(HUB)


def with_config(served, tmp_path, **changes):
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    served.add(MODEL, tmp_path / "model")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "sly"}, r"does not support the architecture “sly”; check the model_type"),
        (
            {"model_type": "sly", "auto_map": {"AutoModelForCausalLM": "modeling_sly.Sly"}},
            "“sly” needs code from its repository, which Hydrascope never runs",
        ),
        ({"model_type": "t5"}, "a “t5” is not a causal language model"),
        ({"model_type": "mamba"}, "MambaForCausalLM has no decoder layers"),
        ({"hidden_size": -3}, "its config.json does not describe a model"),
        (
            {"model_type": "bloom", "n_head": 4, "hidden_size": 32, "n_layer": 6, "max_position_embeddings": None},
            "does not set the longest prompt",
        ),
    ],
)
def test_an_architecture_that_cannot_be_used(served, tmp_path, changes, said):
    ran = tmp_path / "ran"
    (tmp_path / "model" / "modeling_sly.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Sly: pass\n")
    with_config(served, tmp_path, **changes)
    with pytest.raises(AssetError, match=said):
        check_draft(HUB)
    assert not ran.exists() and not weights_asked(served)


@pytest.mark.parametrize("method", ["gptq", "bitsandbytes", "fp8", "awq", "compressed-tensors"])
def test_a_quantised_model_is_refused_before_its_weights_are_asked_for(served, tmp_path, method):
    with_config(served, tmp_path, quantization_config={"quant_method": method, "bits": 4})
    with pytest.raises(AssetError, match=rf"stored quantised \({method}\).*unquantised weights"):
        check_draft(HUB)
    assert not weights_asked(served)


def test_a_missing_shard_is_named(local):
    folder = Path(local.model_id)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    with pytest.raises(AssetError, match=r"lacks 1 of the files .* first model-00002-of-00002.safetensors"):
        check_draft(local)
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))
    assert check_draft(local).n_layers == 4


NEEDS_SYSTEM = "{% if messages[0]['role']!='system' %}{{ raise_exception('a system message is required') }}{% endif %}"
NO_DEFAULT = [{"name": name, "template": "{{ messages }}"} for name in ("tool_use", "rag")]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (NEEDS_SYSTEM, "system prompt"),
        ("{{ messages[0]['content'] ", "cannot be used"),
        (NO_DEFAULT, "cannot be used"),
        ("{{ messages[0].nothing.there }}", "cannot be used"),
    ],
)
def test_a_chat_template_that_raises_is_one_sentence(local, template, said):
    path = Path(local.model_id) / "tokenizer_config.json"
    (Path(local.model_id) / "chat_template.jinja").unlink(missing_ok=True)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))
    with pytest.raises(InputError, match=said) as raised:
        check_draft(local)
    assert "\n" not in str(raised.value)


def test_code_in_a_repository_of_a_known_architecture_is_passed_over(served, tmp_path):
    with_config(served, tmp_path, auto_map={"AutoModelForCausalLM": "modeling_sly.Sly"})
    assert check_draft(HUB).n_layers == 6


def test_a_tokenizer_that_cannot_be_read(local):
    (Path(local.model_id) / "tokenizer.json").write_text("{not json")
    with pytest.raises(AssetError, match="The tokenizer of “mine” cannot be loaded"):
        check_draft(local)


@pytest.mark.parametrize(
    ("refusal", "said"), [("999999", "refusal tokens of “mine” are"), (" ", "No refusal word was given")]
)
def test_refusal_tokens_that_cannot_be(local, refusal, said):
    with pytest.raises(InputError, match=said):
        check_draft(replace(local, refusal=refusal))


def test_a_refusal_word_of_several_tokens_is_told(local):
    whole, cut = (check_draft(replace(local, refusal=words)) for words in ("I", "I, Sorry"))
    assert whole.cut == () and not any("several tokens" in line for line in whole.lines)
    assert cut.cut == ("Sorry",) and cut.pieces[1] != "Sorry"
    assert any(line.startswith("“Sorry” is several tokens for this model") for line in cut.lines)


def test_refusal_tokens_by_id(local):
    found = check_draft(replace(local, refusal="41, 40"))
    assert found.model.refusal_tokens == (41, 40) and len(found.pieces) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "demo"}, "There is already a model"),
        ({"name": "a/b"}, "is not a valid model name"),
        ({"model_id": " "}, "No model was given"),
        ({"model_id": "demo-base"}, "belongs to the demo"),
        ({"saes": ""}, "No SAEs were given"),
    ],
)
def test_what_is_not_filled_in(local, changes, said):
    with pytest.raises(InputError, match=said):
        check_draft(replace(local, **changes))


def test_strangers_learn_nothing_of_folders(tmp_path):
    """A folder that is not there, one that is empty, one with a file, a file: one same sentence."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    (tmp_path / "file").write_text("x")
    places = [str(tmp_path / name) for name in ("none", "empty", "other", "file")] + ["./none", "~/none", "~nobody/x"]
    said = set()
    for place in places:
        for model, saes in ((place, str(tmp_path / "empty")), ("owner/model", place)):
            with pytest.raises(InputError) as caught:
                check_for_strangers(Draft("mine", model, saes))
            said.add(str(caught.value))
    assert said == {NOT_FOUND}


def test_strangers_still_learn_what_is_wrong_with_a_name():
    with pytest.raises(InputError, match="No model was given"):
        check_for_strangers(Draft("mine", " ", "gemma-scope-2b-pt-res-canonical"))


@pytest.mark.parametrize(("said", "told"), [("gemma-2-2b", True), ("owner/Model", False), (None, False)])
def test_saes_of_another_model_are_told(local, said, told):
    path = Path(local.saes) / "layer_2" / "cfg.json"
    config = json.loads(path.read_text())
    config["metadata"] |= {"model_name": said}
    path.write_text(json.dumps(config))
    found = check_draft(local)
    assert found.trained_on == (("gemma-2-2b",) if told else ())
    assert any("trained on “gemma-2-2b”" in line for line in found.lines) == told


def test_of_published_saes_saelens_knows_the_model(served):
    assert check_draft(HUB).trained_on == ("gemma-2-2b",)
