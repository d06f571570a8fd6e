"""Gemma-2-2B's geometry with random bf16 weights: what auditing the paper's own model costs on this machine.

26 layers, d_model 2304, vocabulary 256k; 65,536-wide SAE files for 15 layers, made on disk once. 200 columns a layer
edited, 16 sets on a 20-token prompt. SAELens is measured on as many layers as fit in memory and scaled by layer count.
"""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from queue import Empty

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks import rows
from benchmarks.honest import Yardstick, last_logits, make_resident, yardstick
from benchmarks.timing import interleaved, machine, median, peak_gigabytes, row, write
from core import Edits, Feature, ModelSpec, load
from core.models.demo_base import base_folder
from core.paths import cache_folder
from core.settings import BENCH_FILES

LAYERS, WIDTH, D_MODEL = tuple(range(2, 17)), 65_536, 2304
TEMPLATE = "<|im_start|>user\n{{ messages[0]['content'] }}<|im_end|>\n<|im_start|>assistant\n"
ACTIVE = 3.1  # standard deviations: about 63 of 65,536 features are active at a token, as in the published SAEs
TOKENS = 8  # written to each of 256 rows
PROMPT = "Outline a plan for a quiet house by the sea."  # 20 tokens in this template; `ours` holds it


def files_folder() -> Path:
    """Where the files lie: about 14 GB of them, in the cache folder unless `HYDRASCOPE_BENCH_FILES` says where."""
    return BENCH_FILES.read() or cache_folder() / "bench-geometry"


def make_files(folder: Path) -> None:
    """Random weights in the true shapes; nothing is made twice."""
    from transformers import AutoTokenizer, Gemma2Config, Gemma2ForCausalLM

    model = folder / "model"
    if not (model / "config.json").exists():
        config = Gemma2Config(
            vocab_size=256_000,
            hidden_size=D_MODEL,
            intermediate_size=9216,
            num_hidden_layers=26,
            num_attention_heads=8,
            num_key_value_heads=4,
            head_dim=256,
            max_position_embeddings=8192,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=2,
        )
        torch.manual_seed(0)
        torch.set_default_dtype(torch.bfloat16)
        made = Gemma2ForCausalLM(config)
        torch.set_default_dtype(torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(base_folder())
        tokenizer.chat_template = TEMPLATE
        tokenizer.save_pretrained(model)
        made.save_pretrained(model, safe_serialization=True)
    if any(not (folder / f"layer_{layer}" / "cfg.json").exists() for layer in LAYERS):
        scale = _scales(model)
    for layer in LAYERS:
        path = folder / f"layer_{layer}"
        if (path / "cfg.json").exists():
            continue
        path.mkdir(parents=True, exist_ok=True)
        generator = torch.Generator().manual_seed(layer)
        encoder = (torch.randn(D_MODEL, WIDTH, generator=generator) / D_MODEL**0.5).half()
        decoder = torch.randn(WIDTH, D_MODEL, generator=generator)
        save_file(
            {
                "W_enc": encoder,
                "W_dec": (decoder / decoder.norm(dim=-1, keepdim=True)).half(),
                "b_enc": torch.zeros(WIDTH).half(),
                "b_dec": torch.zeros(D_MODEL).half(),
                "threshold": torch.full((WIDTH,), ACTIVE * scale[layer]).half(),
            },
            path / "sae_weights.safetensors",
        )
        config = {
            "architecture": "jumprelu",
            "d_in": D_MODEL,
            "d_sae": WIDTH,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": False,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": {},
        }
        (path / "cfg.json").write_text(json.dumps(config))


@torch.inference_mode()
def _scales(model: Path) -> list[float]:
    """Layer → root mean square of resid_post, BOS apart: the standard deviation of the random encoders' products."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(model)(PROMPT, return_tensors="pt")["input_ids"]
    found = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)(ids, output_hidden_states=True)
    return [float(x[0, 1:].float().square().mean().sqrt()) for x in found.hidden_states[1:]]


def spec_in(folder: Path) -> ModelSpec:
    return ModelSpec(
        "gemma-2-2b geometry", str(folder / "model"), LAYERS, (57,), {n: folder / f"layer_{n}" for n in LAYERS}
    )


def random_sets() -> list[Edits]:
    """16 sets of 200 columns in each layer."""
    rng = np.random.default_rng(0)
    return [
        Edits.ablate([Feature(n, int(i)) for n in LAYERS for i in rng.choice(WIDTH, 200, replace=False)])
        for _ in range(16)
    ]


def files(folder: str, queue) -> None:
    """In a process of its own, so that the memory it takes is not in any figure."""
    make_files(Path(folder))
    queue.put(True)


def memory(folder: str, queue) -> None:
    """The peak of loading, one toggle and 16 sets: as a person has it, with weights mapped from their file."""
    engine, sets = load(spec_in(Path(folder)), device="cpu", dtype="bfloat16"), random_sets()
    engine.measure([PROMPT], sets[:1])
    engine.measure([PROMPT], sets)
    queue.put(peak_gigabytes())


def ours(folder: str, runs: int, queue) -> None:
    """Times, in a process of its own, with all weights in memory before anything is timed."""
    engine, sets = load(spec_in(Path(folder)), device="cpu", dtype="bfloat16"), random_sets()
    make_resident(engine.model)
    ids = torch.tensor([engine.prompt(PROMPT).ids])
    assert ids.shape[1] == 20, ids.shape

    @torch.inference_mode()
    def unhooked(many: int):
        return last_logits(engine.model, ids.expand(many, -1), use_cache=False)

    toggle = sets[0].without([sets[0].features[0]])
    seconds = interleaved(
        {
            "unhooked": lambda: unhooked(1),
            "one toggle": lambda: engine.measure([PROMPT], [toggle]),
            "16 sets": lambda: engine.measure([PROMPT], sets),
            "unhooked 16": lambda: unhooked(16),
        },
        runs,
    )
    measure = yardstick(engine.model, seconds["unhooked"], ids.shape[1], 1)
    queue.put({"seconds": seconds, "tokens": ids.shape[1], "yardstick": tuple(measure)})


def many(folder: str, runs: int, queue) -> None:
    """256 sets that all differ, 200 features each over all layers, beside as many unhooked rows."""
    engine = load(spec_in(Path(folder)), device="cpu", dtype="bfloat16")
    queue.put(rows.compare(engine, rows.SETS, rows.FEATURES, TOKENS, runs))


def theirs(folder: str, layers: int, runs: int, tokens: int, queue) -> None:
    """SAELens's error-term cost a layer: encode and decode twice over the whole dictionary.

    In the number format that is faster for it here: float32 where the processor has no bfloat16 products, because its
    bfloat16 decoder then runs on one thread and takes minutes.
    """
    from sae_lens import SAE

    fast = {"avx512_bf16", "amx_bf16"} & set(machine()["instructions"])  # type: ignore[call-overload]
    dtype = "bfloat16" if fast else "float32"
    saes = [SAE.load_from_disk(str(Path(folder) / f"layer_{n}"), dtype=dtype) for n in LAYERS[:layers]]
    x = torch.randn(1, tokens, D_MODEL, dtype=getattr(torch, dtype))
    for sae in saes:
        sae.use_error_term = True

    @torch.inference_mode()
    def run():
        for sae in saes:
            sae(x)

    queue.put({"seconds": interleaved({"layers": run}, runs)["layers"], "layers": layers, "dtype": dtype})


def apart(target, *arguments):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=target, args=(*arguments, queue))
    process.start()
    while True:
        try:
            found = queue.get(timeout=1)
            break
        except Empty:  # a process that the system ended, for its memory, would be waited for without end
            if not process.is_alive() and queue.empty():
                raise SystemExit(f"{target.__name__} ended without a result (exit code {process.exitcode}).") from None
    process.join()
    return found


def main(runs: int = 2, peer_layers: int = 3) -> dict:
    folder = files_folder()
    apart(files, str(folder))
    peak = apart(memory, str(folder))
    mine = apart(ours, str(folder), runs)
    peer = apart(theirs, str(folder), peer_layers, runs, mine["tokens"])
    different = apart(many, str(folder), 1)
    seconds = {name: median(values) for name, values in mine["seconds"].items()}
    dictionary = median(peer["seconds"]) / peer_layers
    saelens = seconds["unhooked"] + dictionary * len(LAYERS)
    speedup, toggle = saelens / (seconds["16 sets"] / 16), seconds["one toggle"] / seconds["unhooked"]
    print(
        f"Gemma-2-2B geometry, {len(LAYERS)} SAEs of {WIDTH:,}, 16 sets of 200 columns a layer, {mine['tokens']} tokens, bf16, {runs} runs"
    )
    measure = Yardstick(*mine["yardstick"])
    row("one unhooked forward", f"{seconds['unhooked']:.2f} s")
    row("the unhooked forward", measure.sentence())
    if measure.serves:
        row("one toggle against the unhooked forward", f"{toggle:.2f}", "asked: ≤ 1.3")
        row("16 sets against 16 unhooked rows", f"{seconds['16 sets'] / seconds['unhooked 16']:.2f}")
        row(f"SAELens, {peer['dtype']}, scaled from {peer_layers} to {len(LAYERS)} layers, a set", f"{saelens:.2f} s")
        row("edit sets a second against SAELens", f"{speedup:.1f} x", "asked: ≥ 20 x")
    row("peak memory", f"{peak:.1f} GB", "asked: ≤ 9 GB")
    print(f"The same model, {rows.SETS} distinct edit sets of {rows.FEATURES} features in one batch, 1 run")
    rows.show(different, 0.95)
    figures = {
        "ours": mine,
        "peak_gigabytes": peak,
        "peer": peer,
        "rows": different,
        "against_saelens": speedup,
        "toggle": toggle,
        "saelens_seconds_scaled": saelens,
    }
    write("geometry", figures)
    return figures


if __name__ == "__main__":
    main()
