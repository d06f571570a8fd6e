"""Train one BatchTopK SAE per layer with sae-lens on the recorded activations; saved as JumpReLU in half precision.

Knows: the activation files. Does not know: the model. `SAE.load_from_disk` reads what is written; weights are float16 and
cast to float32 on load, which is exact. A layer already written is not trained again.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from common import ASSETS, WORK
from safetensors.torch import load_file, save_file

D_MODEL = 576


def batches(path: Path, size: int, seed: int):
    """Endless batches float32 [size, d_model]; every pass over the file in a new random order."""
    rows = np.memmap(path, dtype=np.float16, mode="r").reshape(-1, D_MODEL)
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(rows))
        for start in range(0, len(rows) - size + 1, size):
            yield torch.from_numpy(rows[np.sort(order[start : start + size])].astype(np.float32))


def train(layer: int, width: int, k: float, batch: int, lr: float, passes: float, folder: Path) -> None:
    from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    torch.manual_seed(layer)
    path = WORK / "activations" / f"layer_{layer:02d}.f16"
    rows = path.stat().st_size // (2 * D_MODEL)
    total = int(passes * rows) // batch * batch
    sae = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(
            d_in=D_MODEL,
            d_sae=width,
            k=k,
            dtype="float32",
            device="cpu",
            apply_b_dec_to_input=True,
            normalize_activations="expected_average_only_in",
        )
    )
    sample = next(batches(path, 4096, 1))
    with torch.no_grad():
        sae.b_dec.copy_(sample.mean(0) * (D_MODEL**0.5 / sample.norm(dim=-1).mean()))
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=total,
            train_batch_size_samples=batch,
            lr=lr,
            lr_end=lr / 10,
            lr_warm_up_steps=30,
            lr_decay_steps=total // batch // 4,
            dead_feature_window=120,
            n_batches_for_norm_estimate=8,
        ),
        sae=sae,
        data_provider=batches(path, batch, layer),
    )
    trained = trainer.fit()
    trained.fold_W_dec_norm()
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    trained.save_inference_model(partial)
    weights = partial / "sae_weights.safetensors"
    save_file({name: t.half().contiguous() for name, t in load_file(weights).items()}, weights)
    config = json.loads((partial / "cfg.json").read_text())
    config["dtype"] = "float32"
    config["metadata"] = {
        **{
            k: v
            for k, v in config.get("metadata", {}).items()
            if k in ("sae_lens_version", "sae_lens_training_version", "l0")
        },
        "model_name": "hydrascope demo (SmolLM2-135M-Instruct + refusal adapter)",
        "hook_name": f"blocks.{layer}.hook_resid_post",
        "training_tokens": total,
        "distinct_training_tokens": rows,
    }
    (partial / "cfg.json").write_text(json.dumps(config, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", required=True)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--k", type=float, default=61)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--lr", type=float, default=1.2e-3)
    parser.add_argument("--passes", type=float, default=2, help="times each recorded activation is seen")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    for layer in (int(n) for n in options.layers.split(",")):
        folder = ASSETS / "saes" / f"layer_{layer:02d}"
        if not (folder / "cfg.json").exists():
            train(layer, options.width, options.k, options.batch, options.lr, options.passes, folder)
            print(f"layer {layer} written", flush=True)


if __name__ == "__main__":
    main()
