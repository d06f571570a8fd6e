"""Which SAEs are meant, and whether they fit: each thing that can be wrong, in its sentence, before any weight."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sae_lens import TopKSAE, TopKSAEConfig

from core import AssetError, DownloadError, InputError, load
from core.models.check_added import Draft, check_draft
from core.saes.published import SaeRef, published
from tests.conftest import make_sae
from tests.loopback_hub.saes import tiny_sae
from tests.served_models import CANONICAL, HUB, MODEL, home, local, serve_saes, served, weights_asked

__all__ = ["home", "local", "served"]  # fixtures


def test_an_unknown_release_names_its_neighbours(served):
    with pytest.raises(
        InputError,
        match=r"No folder is called “gemma-scope-2b-pt-res-canonicl”, and SAELens knows no "
        r"release .* did you mean gemma-scope-2b-pt-res-canonical",
    ):
        check_draft(replace(HUB, saes="gemma-scope-2b-pt-res-canonicl"))


def test_several_saes_at_a_layer_are_listed(served):
    with pytest.raises(
        InputError,
        match=r"has 2 SAEs at layer 2: layer_2/width_16k/canonical, layer_2/width_65k/canon"
        r"ical; .*such as layer_\{layer\}/width_16k/canonical",
    ):
        check_draft(replace(HUB, choose=""))
    with pytest.raises(InputError, match=r"has \d+ SAEs at layer 12: .* and \d+ more; choose one"):
        check_draft(replace(HUB, saes="gemma-scope-2b-pt-res", choose="", layers=(12,)))


@pytest.mark.parametrize("choose", ["width_17k", "width_1", "layer_{layer}/width_16k"])
def test_a_choice_that_is_none_says_what_there_is(served, choose):
    with pytest.raises(InputError, match=r"has no SAE with “.*” in its name; at layer 2 it has layer_2/width_16k/can"):
        check_draft(replace(HUB, choose=choose))


def test_layers_the_release_does_not_have(served):
    with pytest.raises(InputError, match=r"has no SAE at layer 26, 30 with “width_16k” in its name; it has them at 0"):
        check_draft(replace(HUB, layers=(3, 26, 30)))


def test_layers_the_model_does_not_have(served):
    with pytest.raises(AssetError, match=r"does not fit layer 6 of “mine”: the model has 6 layers of 32"):
        check_draft(replace(HUB, layers=(3, 6)))
    assert not [request for request in served.requests if "gemma-scope" in request.path]


def test_saes_elsewhere_than_at_the_residual_stream(served):
    with pytest.raises(InputError, match="No SAE of the release gemma-scope-2b-pt-mlp-canonical reads the residual"):
        check_draft(replace(HUB, saes="gemma-scope-2b-pt-mlp-canonical"))


def test_saes_of_another_width_by_their_small_file(served, tmp_path):
    ref = SaeRef("llama_scope_lxr_8x", "l3r_8x")
    serve_saes(served, tmp_path, [ref], [3], d_model=40)
    with pytest.raises(AssetError, match=r"llama_scope_lxr_8x/l3r_8x does not fit layer 3 of “mine”: it reads 40"):
        check_draft(Draft("mine", MODEL, "llama_scope_lxr_8x", layers=(3,)))
    assert not weights_asked(served)


@pytest.mark.parametrize(
    ("release", "sae_id", "layer"),
    [
        ("llama-3.1-8b-instruct-andyrdt", "resid_post_layer_3_trainer_1", 3),
        ("llama_scope_r1_distill", "l3r_800m_slimpajama", 3),
    ],
)
def test_later_layouts_say_their_width_and_hook_too(served, tmp_path, release, sae_id, layer):
    folder = serve_saes(served, tmp_path, [SaeRef(release, sae_id)], [layer])
    draft = Draft("mine", MODEL, f"{release}/{sae_id}")
    assert check_draft(draft).unread == () and check_draft(draft).model.layers == (layer,)
    written = (folder / "config.json").read_text()
    for spoilt, said in (
        (written.replace(": 32", ": 40"), "it reads 40 numbers"),
        (
            written.replace("blocks.3.", "blocks.2.").replace('"layer": 3', '"layer": 2'),
            "not the residual stream after",
        ),
        (written.replace("BatchTopKSAE", "AutoEncoderTopK"), "“AutoEncoderTopK”; only elementwise ones"),
    ):
        if spoilt != written:
            (folder / "config.json").write_text(spoilt)
            served.add(published(SaeRef(release, sae_id)).repo, tmp_path / published(SaeRef(release, sae_id)).repo)
            with pytest.raises(AssetError, match=said):
                check_draft(draft)
    assert not weights_asked(served)


def test_saes_of_another_width_without_a_small_file_are_refused_at_the_load(served, tmp_path):
    serve_saes(served, tmp_path, [SaeRef(CANONICAL, "layer_3/width_16k/canonical")], [3], d_model=40)
    found = check_draft(replace(HUB, layers=(3,)))
    assert found.unread == (3,)
    with pytest.raises(AssetError, match="it reads 40 numbers, the model has 6 layers of 32"):
        load(found.spec, device="cpu")


def test_a_published_sae_at_another_hook(served, tmp_path):
    ref = SaeRef("gemma-scope-2-1b-it-res-all", "layer_3_width_16k_l0_small")
    folder = serve_saes(served, tmp_path, [ref], [3])
    config = json.loads((folder / "config.json").read_text())
    draft = Draft("mine", MODEL, f"{ref.release}/{ref.sae_id}")
    assert check_draft(draft).model.saes == {3: ref}
    (folder / "config.json").write_text(json.dumps(config | {"hf_hook_point_in": "model.layers.3.mlp.output"}))
    served.add(published(ref).repo, tmp_path / published(ref).repo)
    with pytest.raises(AssetError, match=r"reads model\.layers\.3\.mlp\.output and not the residual stream"):
        check_draft(draft)


def test_an_sae_that_the_repository_lacks(served):
    with pytest.raises(DownloadError, match="has no file “layer_5/width_16k"):
        check_draft(replace(HUB, layers=(2, 5)))


# Local folders


def test_one_folder_may_be_the_sae_itself(local):
    assert check_draft(replace(local, saes=f"{local.saes}/layer_2")).model.layers == (2,)


def test_a_hook_in_the_file_goes_before_the_folders_name(local, tmp_path):
    folder = tiny_sae(tmp_path / "layer_1", "sae_lens", 3)
    assert check_draft(replace(local, saes=str(folder))).model.saes == {3: folder}


def test_two_folders_of_one_layer_are_chosen_by_name(local):
    shutil.copytree(f"{local.saes}/layer_2", f"{local.saes}/layer_2_wide")
    with pytest.raises(InputError, match="has 2 SAEs at layer 2: layer_2, layer_2_wide; choose one"):
        check_draft(local)
    found = check_draft(replace(local, choose="layer_{layer}"))
    assert found.model.saes[2].name == "layer_2" and found.model.layers == (1, 2, 3)
    assert check_draft(replace(local, choose="wide")).model.layers == (2,)


def test_parts_of_names_are_whole_words(local):
    """l0_4 is not l0_41."""
    for name in ("layer_2_l0_4", "layer_2_l0_41"):
        shutil.copytree(f"{local.saes}/layer_2", f"{local.saes}/{name}")
    assert check_draft(replace(local, choose="layer_2 l0_4")).model.saes[2].name == "layer_2_l0_4"


def test_what_lies_at_another_hook_is_passed_over_where_others_do_not(local):
    config = Path(local.saes) / "layer_1" / "cfg.json"
    written = json.loads(config.read_text())
    written["metadata"]["hook_name"] = "blocks.1.hook_mlp_out"
    config.write_text(json.dumps(written))
    assert check_draft(local).model.layers == (2, 3)
    with pytest.raises(AssetError, match=r"layer_1 reads blocks\.1\.hook_mlp_out and not the residual stream"):
        check_draft(replace(local, saes=f"{local.saes}/layer_1"))


def test_a_folder_that_does_not_say_its_layer(local):
    (Path(local.saes) / "layer_1").rename(Path(local.saes) / "first")
    with pytest.raises(AssetError, match="first does not say which layer it reads; name its folder layer_12"):
        check_draft(replace(local, saes=f"{local.saes}/first"))


def test_a_local_sae_of_another_width(local):
    make_sae(Path(local.saes) / "layer_0", 0, d_model=40)
    with pytest.raises(AssetError, match=r"layer_0 does not fit layer 0 of “mine”: it reads 40 numbers"):
        check_draft(local)
    assert check_draft(replace(local, layers=(1, 2))).model.layers == (1, 2), "a layer that is not wanted does no harm"


def test_a_topk_sae_is_refused(local):
    sae = TopKSAE(TopKSAEConfig(k=4, d_in=32, d_sae=48, dtype="float32", device="cpu"))
    sae.save_model(f"{local.saes}/layer_0")
    with pytest.raises(AssetError, match="layer_0 is a “topk” SAE; only elementwise ones"):
        check_draft(local)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "sae_weights.safetensors").unlink(), "lacks cfg.json or sae_weights"),
        (lambda folder: (folder / "cfg.json").unlink(), "lacks cfg.json or sae_weights"),
        (lambda folder: (folder / "cfg.json").write_text("{"), "SAELens cannot read the SAE in"),
        (lambda folder: (folder / "cfg.json").write_text("[]"), "SAELens cannot read the SAE in"),
    ],
)
def test_a_local_sae_that_is_not_whole(local, spoil, said):
    spoil(Path(local.saes) / "layer_2")
    with pytest.raises(AssetError, match=said):
        check_draft(local)


def test_folders_that_are_not_there_or_empty(local, tmp_path):
    (tmp_path / "empty").mkdir()
    for saes, said in (
        (str(tmp_path / "empty"), "No SAE lies in"),
        (str(tmp_path / "none"), "There is no folder"),
        ("./none", "There is no folder"),
        ("saes/none", "No folder is called “saes/none”, and SAELens knows no"),
    ):
        with pytest.raises((AssetError, InputError), match=said):
            check_draft(replace(local, saes=saes))
    with pytest.raises(AssetError, match=r"config\.json cannot be read"):
        check_draft(replace(local, model_id=str(tmp_path / "empty")))
    with pytest.raises(AssetError, match="name its folder, or its name on the hub"):
        check_draft(replace(local, model_id=str(tmp_path / "none")))
