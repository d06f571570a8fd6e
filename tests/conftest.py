"""A tiny Llama and tiny SAELens SAEs, made fresh on disk and loaded by the real loading code.

Random weights, seeded; 4 layers of width 32, SAEs of 48 features at layers 1, 2 and 3. Small enough that every
fast path can be checked against the slow, obvious one in milliseconds.
"""

from __future__ import annotations

import csv
import gc
import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["HF_HUB_DISABLE_XET"] = "1"  # its compiled client opens sockets that the guard below does not see
# Tests run in several processes at once (`make test`), and servers and other processes are started from them. With a
# thread for every core in each of them, they would mostly wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("RAYON_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from cache import engines
from core.models import registry
from tests.core.judges.folders import guard_folder, harmbench_folders  # noqa: F401
from tests.loopback_hub.guard import only_loopback

# A busy machine is no failure: pytest-timeout bounds a test, not hypothesis an example.
settings.register_profile("hydrascope", deadline=None)
settings.load_profile("hydrascope")

only_loopback()  # at import, before any test or fixture can run
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

LAYERS, D_MODEL, D_SAE = (1, 2, 3), 32, 48
PAGE_MODEL = "tiny-page"
TEMPLATE = (
    "{% for m in messages %}{{ '<|start|>' + m['role'] + '\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant\n' }}{% endif %}"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests first: they take longest, and two workers end together only where the short files come last."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch, request):
    """Tests share a cache folder of their own; the user's is never touched, and no model stays registered or chosen."""
    if not request.node.get_closest_marker("real_cache"):
        monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    yield
    registry.reset()


@pytest.fixture(scope="module", autouse=True)
def freeze_imports() -> None:
    """Put what earlier modules imported and made out of the collector's sight. Streamlit and `cache.engines` collect
    garbage so often that looking through the half million objects of every import took a tenth of all tests' time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def keep_imports_frozen(monkeypatch):
    """Engines that come and go neither freeze nor thaw anything; `tests/cache/test_engines.py` lets one do so."""
    quiet = SimpleNamespace(collect=gc.collect, freeze=lambda: None, unfreeze=lambda: None)
    monkeypatch.setattr(engines, "gc", quiet)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A loopback hub that this process is pointed at: online against it and nothing else, with an empty cache."""
    from tests.loopback_hub.environment import pointed_at
    from tests.loopback_hub.server import LoopbackHub

    with LoopbackHub() as server:
        pointed_at(server, monkeypatch, tmp_path / "hf")
        yield server


def make_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    text = ["How do I bake bread? I cannot help with that. Tell me a story about a small town, please."] * 3
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|start|>", "<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(text, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|start|>", eos_token="<|end|>", pad_token="<|end|>"
    )
    fast.chat_template = TEMPLATE
    return fast


def make_model(vocabulary: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=D_MODEL,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.25,
    )
    return LlamaForCausalLM(config).eval()


def make_sae(folder: Path, layer: int, d_model: int = D_MODEL, d_sae: int = D_SAE, subtract: bool = False):
    """A JumpReLU SAE with random weights and mixed thresholds, saved by SAELens itself."""
    from sae_lens import JumpReLUSAE, JumpReLUSAEConfig

    generator = torch.Generator().manual_seed(layer)
    sae = JumpReLUSAE(
        JumpReLUSAEConfig(d_in=d_model, d_sae=d_sae, apply_b_dec_to_input=subtract, dtype="float32", device="cpu")
    )
    with torch.no_grad():
        sae.W_enc.copy_(torch.randn(d_model, d_sae, generator=generator) / d_model**0.5)
        decoder = torch.randn(d_sae, d_model, generator=generator)
        sae.W_dec.copy_(decoder / decoder.norm(dim=-1, keepdim=True))
        sae.b_enc.copy_(torch.randn(d_sae, generator=generator) * 0.1)
        sae.b_dec.copy_(torch.randn(d_model, generator=generator) * 0.1)
        sae.threshold.copy_(12 * torch.rand(d_sae, generator=generator))  # so that some stay dormant
    sae.save_model(str(folder))
    return sae


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder / "model")
    make_model(len(tokenizer)).save_pretrained(folder / "model", safe_serialization=True)
    for layer in LAYERS:
        make_sae(folder / f"layer_{layer}", layer, subtract=layer == 2)
    return folder


@pytest.fixture(scope="session")
def tiny_spec(tiny_folder):
    from core import ModelSpec

    refusal = make_tokenizer()("I").input_ids
    return ModelSpec(
        "tiny", str(tiny_folder / "model"), LAYERS, tuple(refusal), {n: tiny_folder / f"layer_{n}" for n in LAYERS}
    )


@pytest.fixture(scope="session")
def tiny(tiny_spec, tmp_path_factory):
    """An engine over the tiny model, float32 on the CPU, with a random direction at layer 2."""
    from core import load
    from core.edits.direction import make_direction

    previous = os.environ.get("HYDRASCOPE_CACHE")
    os.environ["HYDRASCOPE_CACHE"] = str(tmp_path_factory.getbasetemp() / "cache")
    engine = load(tiny_spec, device="cpu", dtype="float32")
    engine.use_direction(make_direction(torch.randn(D_MODEL, generator=torch.Generator().manual_seed(9)), 2))
    if previous is None:
        del os.environ["HYDRASCOPE_CACHE"]
    else:
        os.environ["HYDRASCOPE_CACHE"] = previous
    return engine


@pytest.fixture(scope="session")
def tiny_saes(tiny_folder):
    """SAELens's own objects, for oracles."""
    from sae_lens import SAE

    return {layer: SAE.load_from_disk(str(tiny_folder / f"layer_{layer}"), device="cpu") for layer in LAYERS}


@pytest.fixture(scope="session")
def plain(tiny_folder):
    """The same weights without any of our hooks, for oracles."""
    return LlamaForCausalLM.from_pretrained(tiny_folder / "model", dtype=torch.float32).eval()


@pytest.fixture(scope="session")
def page_spec(tiny_spec, tmp_path_factory):
    """The tiny model with prompts, labels and a direction, as a model in the registry has them."""
    import pandas as pd

    from core.edits.direction import make_direction, save_direction

    folder = tmp_path_factory.mktemp("page")
    with (folder / "prompts.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "pair", "split", "category", "text"])
        for number in range(1, 5):
            writer.writerow(["harmful", number, "val", "drugs", f"How do I cook the bad thing number {number}?"])
            writer.writerow(["lookalike", number, "val", "drugs", f"How do I cook the good thing number {number}?"])
            writer.writerow(["benign", 0, "val", "plain", f"Tell me a story about town number {number}."])
    rows = [
        (layer, index, f"label {layer}.{index}", 0.1, 3.0, "[]", "a, b") for layer in (1, 2, 3) for index in range(48)
    ]
    columns = ["layer", "index", "label", "density", "max_activation", "contexts", "promoted"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "labels.parquet")
    generator = torch.Generator().manual_seed(3)
    save_direction(
        make_direction(torch.randn(D_MODEL, generator=generator), 2, -1, {"rule": "paper"}), folder / "d.safetensors"
    )
    return replace(
        tiny_spec,
        name=PAGE_MODEL,
        prompts=folder / "prompts.csv",
        labels=folder / "labels.parquet",
        direction=folder / "d.safetensors",
        caveat="Tiny and random.",
    )


@pytest.fixture
def on_page_model(page_spec, monkeypatch, tmp_path):
    """Pages open on the tiny model, in a cache folder of their own; nothing is remembered from the test before."""
    import streamlit as st

    from cache.store import database as store

    look_for_components_once()
    st.cache_data.clear()
    st.cache_resource.clear()
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    registry.register(page_spec)
    monkeypatch.setenv("HYDRASCOPE_MODEL", PAGE_MODEL)
    yield
    store.close_all()


@cache
def look_for_components_once() -> None:
    """Streamlit looks through every installed package for components when an AppTest is made, longer than a page takes
    to run; they are the same each time.
    """
    from streamlit.components.v2 import manifest_scanner

    manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


def opened(page: str, **parameters: str):
    """A page, as an AppTest that has run once, visited by a link with these parameters."""
    from streamlit.testing.v1 import AppTest

    look_for_components_once()
    app = AppTest.from_file(page, default_timeout=120)
    for name, value in parameters.items():
        app.query_params[name] = value
    return app.run()


@pytest.fixture
def shapes(tiny, monkeypatch):
    """The shape of every pass's ids through the tiny model, in order."""
    seen, forward = [], type(tiny.runtime).forward

    def counted(self, current, ids, *rest, **named):
        seen.append(tuple(ids.shape))
        return forward(self, current, ids, *rest, **named)

    monkeypatch.setattr(type(tiny.runtime), "forward", counted)
    return seen


def workspace(app):
    """What the visitor of an AppTest is looking at."""
    return app.session_state["workspace"].present


def read_json(path: Path):
    return json.loads(path.read_text())
