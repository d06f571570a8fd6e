"""The loopback hub itself: huggingface_hub's own functions, transformers and sae-lens's way of asking are content with
it, its tiny models have the real ones' layouts, and nothing in the test run can connect anywhere else."""

import json
import socket
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import safe_open

from tests.loopback_hub.environment import run_python
from tests.loopback_hub.guard import OutsideConnection
from tests.loopback_hub.models import FAMILIES, tiny_causal_lm
from tests.loopback_hub.server import LoopbackHub

USER = [{"role": "user", "content": "  How do I bake bread?  "}]
ASKED = {
    "gemma2": "<bos><start_of_turn>user\nHow do I bake bread?<end_of_turn>\n<start_of_turn>model\n",
    "llama3.1": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
    "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHow do I bake bread?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "gemma3": "<bos><start_of_turn>user\nHow do I bake bread?<end_of_turn>\n<start_of_turn>model\n",
    "gemma3-4b": "<bos><start_of_turn>user\nHow do I bake bread?<end_of_turn>\n<start_of_turn>model\n",
}


@pytest.fixture
def folder(tmp_path):
    """A repository of a small and a large file, one of them in a folder."""
    made = tmp_path / "made"
    (made / "layer_3").mkdir(parents=True)
    (made / "config.json").write_text('{"a": 1}')
    (made / "layer_3" / "params.npz").write_bytes(bytes(range(256)) * 400)
    return made


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return {family: tiny_causal_lm(tmp_path_factory.mktemp("models") / family, family, shards=2) for family in FAMILIES}


# The hub's paths, through huggingface_hub with an endpoint given, as with a hub told by HF_ENDPOINT.


def test_info_tree_and_paths_are_read_as_the_hubs(hub, folder):
    commit = hub.add("some/model", folder, gated="manual")
    api = HfApi(endpoint=hub.endpoint)
    info = api.model_info("some/model", files_metadata=True)
    assert (info.sha, info.gated, info.id) == (commit, "manual", "some/model")
    sizes = {s.rfilename: (s.size, s.lfs and s.lfs.sha256) for s in info.siblings}
    assert sizes["config.json"] == (8, None)
    assert sizes["layer_3/params.npz"][0] == 102_400 and len(sizes["layer_3/params.npz"][1]) == 64
    assert api.model_info("some/model").siblings[0].size is None
    top = {entry.path for entry in api.list_repo_tree("some/model")}
    assert top == {"config.json", "layer_3"}
    inside = {entry.path for entry in api.list_repo_tree("some/model", "layer_3")}
    assert inside == {"layer_3/params.npz"}
    assert [f.size for f in api.get_paths_info("some/model", ["config.json", "nothing"])] == [8]


def test_a_long_tree_comes_in_pages(hub, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    for n in range(7):
        (many / f"{n}.json").write_text(str(n))
    hub.add("some/model", many)
    hub.page_size = 3
    listed = [entry.path for entry in HfApi(endpoint=hub.endpoint).list_repo_tree("some/model", recursive=True)]
    assert listed == [f"{n}.json" for n in range(7)]
    assert sum("/tree/" in request.path for request in hub.requests) == 3


def test_datasets_revisions_and_whole_snapshots(hub, folder, tmp_path):
    first = hub.add("some/prompts", folder, kind="dataset")
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"a": 2}')
    second = hub.add("some/prompts", other, kind="dataset")
    asked = {"repo_type": "dataset", "endpoint": hub.endpoint}
    assert Path(hf_hub_download("some/prompts", "config.json", **asked)).read_text() == '{"a": 2}'
    assert Path(hf_hub_download("some/prompts", "config.json", revision=first, **asked)).read_text() == '{"a": 1}'
    snapshot = snapshot_download("some/prompts", revision=first, **asked)
    assert Path(snapshot, "layer_3/params.npz").read_bytes() == (folder / "layer_3/params.npz").read_bytes()
    assert first != second


def test_large_files_come_from_another_host_that_must_not_see_the_token(hub, folder, monkeypatch):
    hub.add("some/model", folder, gated="auto")
    hub.allow("hf_good", "some/model")
    hf_hub_download("some/model", "layer_3/params.npz", endpoint=hub.endpoint, token="hf_good")
    (delivery,) = hub.deliveries("some/model", "layer_3/params.npz")
    assert delivery.headers["host"].startswith("localhost:") and "authorization" not in delivery.headers
    assert any(r.headers.get("authorization") == "Bearer hf_good" for r in hub.requests)


def test_errors_are_the_hubs_own(hub, folder):
    hub.add("some/model", folder, gated="manual")
    hub.add("some/secret", folder, private=True)
    hub.add("some/open", folder)
    hub.allow("hf_good", "some/model", "some/secret")
    hub.allow("hf_stranger")
    api = HfApi(endpoint=hub.endpoint)
    fetch = {"filename": "config.json", "endpoint": hub.endpoint}
    for token, status in ((False, 401), ("hf_stranger", 403)):
        with pytest.raises(GatedRepoError) as gated:
            hf_hub_download("some/model", token=token, **fetch)
        assert gated.value.response.status_code == status
        with pytest.raises(GatedRepoError):
            api.auth_check("some/model", token=token)
        with pytest.raises(RepositoryNotFoundError) as hidden:
            api.model_info("some/secret", token=token)
        assert hidden.value.response.status_code == (404 if token else 401)
    api.auth_check("some/model", token="hf_good")
    hf_hub_download("some/model", token="hf_good", **fetch)
    with pytest.raises(HfHubHTTPError) as wrong:
        api.model_info("some/open", token="hf_wrong")
    assert wrong.value.response.status_code == 401 and not isinstance(wrong.value, RepositoryNotFoundError)
    with pytest.raises(RevisionNotFoundError):
        api.model_info("some/open", revision="v9")
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download("some/open", "nothing.json", endpoint=hub.endpoint)
    assert api.whoami(token="hf_good")["name"] == "hf_good"
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        api.whoami(token="hf_wrong")


def test_other_code_finds_the_hub_by_hf_endpoint(hub, models, tmp_path):
    """transformers in this process, whose constants were read long ago, and in one of its own, where they are read."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    hub.add("google/gemma-2-2b-it", models["gemma2"])
    assert AutoTokenizer.from_pretrained("google/gemma-2-2b-it").bos_token_id == 2
    here = AutoModelForCausalLM.from_pretrained("google/gemma-2-2b-it", dtype=torch.float32)
    assert len(hub.deliveries("google/gemma-2-2b-it", "model-00002-of-00002.safetensors")) == 1
    code = (
        "from transformers import AutoModelForCausalLM as M\n"
        "m = M.from_pretrained('google/gemma-2-2b-it')\n"
        "print(float(m.model.embed_tokens.weight.float().sum()))"
    )
    there = float(run_python(hub, code, tmp_path / "other home").split()[-1])
    assert there == pytest.approx(float(here.model.embed_tokens.weight.detach().sum()), rel=1e-4)
    assert len(hub.deliveries("google/gemma-2-2b-it", "model-00002-of-00002.safetensors")) == 2


# Tiny models


@pytest.mark.parametrize("family", FAMILIES)
def test_tiny_models_load_whole_by_the_generic_classes(models, family):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, told = AutoModelForCausalLM.from_pretrained(models[family], dtype="auto", output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"] and not told["mismatched_keys"]
    assert model.dtype == torch.bfloat16
    expected = {"gemma2": "Gemma2ForCausalLM", "llama3.1": "LlamaForCausalLM", "gemma3": "Gemma3ForCausalLM"}
    assert type(model).__name__ == expected.get(family, "Gemma3ForConditionalGeneration")
    assert type(model).__name__ == json.loads((models[family] / "config.json").read_text())["architectures"][0]
    tokenizer = AutoTokenizer.from_pretrained(models[family])
    ids = tokenizer(ASKED[family], add_special_tokens=False, return_tensors="pt").input_ids
    logits = model(ids).logits[0, -1].float()
    assert logits.isfinite().all() and logits.std() > 0.1
    assert model.config.get_text_config().vocab_size == len(tokenizer) == logits.shape[0]


def test_keys_are_those_on_the_hub(models):
    def keys(family):
        index = json.loads((models[family] / "model.safetensors.index.json").read_text())
        found = set(index["weight_map"])
        for file in set(index["weight_map"].values()):
            with safe_open(models[family] / file, "pt") as shard:
                assert {n for n, f in index["weight_map"].items() if f == file} == set(shard.keys())
        return found

    assert "model.layers.5.post_feedforward_layernorm.weight" in keys("gemma2") and "lm_head.weight" not in keys(
        "gemma2"
    )
    assert "lm_head.weight" in keys("llama3.1") and "model.layers.0.self_attn.q_proj.weight" in keys("llama3.1")
    assert "model.layers.0.self_attn.q_norm.weight" in keys("gemma3")
    multimodal = keys("gemma3-4b")
    assert {name.split(".")[0] for name in multimodal} == {"language_model", "vision_tower", "multi_modal_projector"}
    assert "language_model.model.layers.0.self_attn.q_norm.weight" in multimodal
    assert "vision_tower.vision_model.encoder.layers.0.self_attn.q_proj.weight" in multimodal
    assert "multi_modal_projector.mm_input_projection_weight" in multimodal


@pytest.mark.parametrize("family", FAMILIES)
def test_chat_templates_write_what_the_families_own_do(models, family):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(models[family])
    write = tokenizer.apply_chat_template
    assert write(USER, tokenize=False, add_generation_prompt=True) == ASKED[family]
    # BOS stands in the template already: tokenising its text with special tokens doubles it, in all three.
    bos = tokenizer.bos_token_id
    assert tokenizer(ASKED[family]).input_ids[:2] == [bos, bos]
    assert tokenizer(ASKED[family], add_special_tokens=False).input_ids[:2].count(bos) == 1
    after = ASKED[family].partition("bread?")[2]
    assert len(tokenizer(after, add_special_tokens=False).input_ids) == 5  # end-of-instruction tokens, as in the paper
    turns = [*USER, {"role": "assistant", "content": "With flour."}, {"role": "user", "content": "How much?"}]
    told = write(turns, tokenize=False, add_generation_prompt=True)
    system = [{"role": "system", "content": " Be kind. "}, *USER]
    if family == "llama3.1":
        assert "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nWith flour.<|eot_id|>" in told
        assert "Today Date: 26 Jul 2024\n\nBe kind.<|eot_id|>" in write(system, tokenize=False)
        assert "Today Date: 01 Jan 2025\n\n<|eot_id|>" in write(USER, tokenize=False, date_string="01 Jan 2025")
        assert tokenizer.convert_tokens_to_ids("I") == 40
        return
    opening = "<end_of_turn>\n<start_of_turn>model\nWith flour.<end_of_turn>\n<start_of_turn>user\nHow much?"
    assert told == ASKED[family].partition("<end_of_turn>")[0] + opening + "<end_of_turn>\n<start_of_turn>model\n"
    with pytest.raises(Exception, match="roles must alternate"):
        write(turns[1:], tokenize=False)
    if family == "gemma2":
        assert tokenizer.convert_tokens_to_ids(["<start_of_turn>", "<end_of_turn>"]) == [106, 107]
        with pytest.raises(Exception, match="System role not supported"):
            write(system, tokenize=False)
    else:
        assert tokenizer.convert_tokens_to_ids(["<start_of_turn>", "<end_of_turn>"]) == [105, 106]
        assert write(system, tokenize=False).startswith("<bos><start_of_turn>user\n Be kind. \n\nHow do I bake bread?")


# Nothing but this machine


def test_nothing_can_connect_outside_this_machine():
    for reach in (
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
        lambda: socket.create_connection(("hub.example", 80), timeout=1),
        lambda: socket.socket().connect_ex(("192.0.2.1", 80)),
        lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::1", 80)),
        lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
        lambda: socket.getaddrinfo("hub.example", 80),
    ):
        with pytest.raises(OutsideConnection):
            reach()


def test_libraries_cannot_either(monkeypatch):
    import requests

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    huggingface_hub.close_session()
    with pytest.raises(OutsideConnection):
        HfApi(endpoint="http://hub.example").model_info("some/model")
    with pytest.raises(OutsideConnection):
        requests.get("http://192.0.2.1/", timeout=1)
    huggingface_hub.close_session()


def test_a_process_of_its_own_is_guarded_too(hub, tmp_path):
    code = (
        "import socket\n"
        "try:\n"
        "    socket.create_connection(('192.0.2.1', 80))\n"
        "except BaseException as error:\n"
        "    print(type(error).__name__)"
    )
    assert run_python(hub, code, tmp_path).strip() == "OutsideConnection"


def test_without_a_hub_everything_is_offline():
    with pytest.raises(OfflineModeIsEnabled):
        HfApi().model_info("some/model")


def test_two_hubs_stand_side_by_side(folder):
    with LoopbackHub() as one, LoopbackHub() as other:
        one.add("some/model", folder)
        assert one.port != other.port and not other.repositories
