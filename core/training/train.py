"""One SAE for one layer: sae-lens's BatchTopK training on recorded residuals, saved as JumpReLU in int8.

Knows: recordings, sae-lens's trainer. Does not know: models. Checkpoints hold all that the rest of a training depends
on, so one that was killed goes on and ends with the same weights, bit for bit on a CPU. The order of the rows depends
on the seed and the pass alone, so it is not stored but counted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from core.devices import fast_bfloat16
from core.errors import Cancelled
from core.hashes import sha256_of
from core.kept_files import put_in_place
from core.progress import NEVER, QUIET, Progress
from core.saes.columns import Columns
from core.saes.formats.int8 import check_weights, save_int8
from core.text.json_text import json_text, json_value
from core.training.record import Recording
from core.training.settings import TrainingSettings
from core.training.turns import STEP

#: Batches at the start of which the mean norm of inputs is taken, and rows of which their mean.
_NORM_BATCHES, _MEAN_ROWS = 8, 4096
_STATE, _WEIGHTS = "state.json", "weights.safetensors"


class Trained(NamedTuple):
    """An SAE as it comes from training, float32: its features, decoder bias, and SAELens's configuration of it."""

    columns: Columns
    output_bias: torch.Tensor
    config: dict[str, Any]


class Rows:
    """Endless batches float32 [batch, d_model] of recorded rows, every pass in a new order drawn from the seed.

    On a device with room for the whole file the rows are kept there; else batches are read from the file.
    """

    def __init__(self, rows: np.ndarray, batch: int, seed: int, device: torch.device, position: int = 0) -> None:
        self._rows, self._batch, self._seed, self._device = rows, batch, seed, device
        self._each = len(rows) // batch
        self._kept = torch.from_numpy(np.asarray(rows)).to(device) if _has_room(device, rows.nbytes) else None
        self.position = position
        self._pass, self._order = -1, np.empty(0, np.int64)

    def __iter__(self) -> Iterator[torch.Tensor]:
        return self

    def __next__(self) -> torch.Tensor:
        number, place = divmod(self.position, self._each)
        if number != self._pass:
            self._pass, self._order = number, np.random.default_rng((self._seed, number)).permutation(len(self._rows))
        chosen = np.sort(self._order[place * self._batch : (place + 1) * self._batch])
        self.position += 1
        if self._kept is not None:
            return self._kept[torch.from_numpy(chosen).to(self._device)].float()
        return torch.from_numpy(self._rows[chosen]).to(self._device).float()


def _has_room(device: torch.device, size: int) -> bool:
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return size < 0.6 * free


def train_layer(
    recording: Recording,
    layer: int,
    settings: TrainingSettings,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    model_name: str = "",
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Trained:
    """Train the SAE of one layer and write it into `folder`, in place of any other SAE there.

    Checkpoints lie beside it, in `folder`.training, until it is done. Raises Cancelled after a checkpoint.
    """
    place = torch.device(device)
    checkpoints = folder.with_name(folder.name + ".training")
    identity = identity_of(recording, layer, settings, place)
    trainer, rows = _trainer(recording, layer, settings, place)
    steps = settings.steps(recording.tokens)
    rows.position = _resume(trainer, checkpoints, identity, rows.position)
    while trainer.n_training_steps < steps:
        done = trainer.n_training_steps
        stop = cancelled()
        if stop or (done and done % settings.checkpoint_steps == 0):
            _checkpoint(trainer, checkpoints, identity, rows.position)
        if stop:
            raise Cancelled(f"The training of layer {layer} was stopped. It continues from step {done}.")
        if done % 10 == 0:
            progress(f"Training the SAE of layer {layer}, step {done:,} of {steps:,}", done / steps)
        with STEP:
            trainer.maybe_reset_sparsity()
            trainer.step(next(rows))
        trainer.n_training_steps += 1
    trained = _finish(trainer, recording, identity, model_name)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    save_int8(partial, *trained)
    shutil.rmtree(folder, ignore_errors=True)
    put_in_place(partial, folder)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return trained


def identity_of(recording: Recording, layer: int, settings: TrainingSettings, device: torch.device) -> dict[str, Any]:
    """All that decides the weights of one layer's SAE, as JSON gives it back."""
    chosen = settings.identity() | {"layer": layer, "recording": recording.digest, "tokens": recording.tokens}
    if fast_bfloat16(device):
        chosen["products"] = "bfloat16"
    found: dict[str, Any] = json_value(json_text(chosen))
    return found


def is_trained(
    folder: Path, recording: Recording, layer: int, settings: TrainingSettings, device: torch.device
) -> bool:
    """Whether the finished SAE of just this training lies there, as it was written; it is put in place whole."""
    try:
        found = json_value((folder / "cfg.json").read_text())["metadata"]["training"]
        check_weights(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(found == identity_of(recording, layer, settings, device))


def _trainer(recording: Recording, layer: int, settings: TrainingSettings, device: torch.device) -> tuple[Any, Rows]:
    """A fresh sae-lens trainer, weights drawn from the seed and the layer, inputs' scale estimated, and its rows."""
    from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig, SAETrainer
    from sae_lens.config import SAETrainerConfig

    d, seed = recording.d_model, settings.seed * 1000 + layer
    steps = settings.steps(recording.tokens)
    torch.manual_seed(seed)
    # Made on the CPU, so that every device starts from the same weights.
    sae = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(
            d_in=d,
            d_sae=settings.width,
            k=settings.k,
            # A running mean of the smallest kept activation becomes the threshold. It starts at 0: with sae-lens's
            # 0.01 it is still far too low after a few hundred steps, and twice as many features are active as k says.
            topk_threshold_lr=min(0.5, max(0.01, 20 / steps)),
            dtype="float32",
            device="cpu",
            apply_b_dec_to_input=True,
            normalize_activations="expected_average_only_in",
        )
    )
    sae.cfg.device = str(device)
    rows = Rows(recording.rows(layer), settings.batch, seed, device)
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=steps * settings.batch,
            train_batch_size_samples=settings.batch,
            device=str(device),
            lr=settings.learning_rate,
            lr_end=settings.learning_rate / 10,
            lr_warm_up_steps=min(settings.warm_up_steps, steps // 4),
            lr_decay_steps=steps // 4,
            dead_feature_window=settings.dead_after_steps,
            n_batches_for_norm_estimate=_NORM_BATCHES,
            autocast=fast_bfloat16(device),
        ),
        sae=sae.to(device),
        data_provider=rows,
    )
    trainer.activation_scaler.estimate_scaling_factor(d, rows, _NORM_BATCHES)
    sample = np.sort(np.random.default_rng(seed).choice(recording.tokens, min(_MEAN_ROWS, recording.tokens), False))
    mean = torch.from_numpy(recording.rows(layer)[sample]).float().mean(0)
    with torch.no_grad():
        sae.b_dec.copy_(mean.to(device) * trainer.activation_scaler.scaling_factor)
    return trainer, rows


def _checkpoint(trainer: Any, folder: Path, identity: dict[str, Any], position: int) -> None:
    """Put all that the rest of the training depends on into `folder`, whole or not at all."""
    partial, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    for path in (partial, old):
        shutil.rmtree(path, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in trainer.sae.state_dict().items()}, partial / _WEIGHTS)
    trainer.save_trainer_state(partial)
    hashes = {path.name: sha256_of(path) for path in sorted(partial.iterdir())}
    state = {"identity": identity, "position": position, "steps": trainer.n_training_steps, "sha256": hashes}
    (partial / _STATE).write_text(json_text(state))
    if folder.exists():
        folder.rename(old)
    put_in_place(partial, folder)
    shutil.rmtree(old, ignore_errors=True)


def _resume(trainer: Any, folder: Path, identity: dict[str, Any], position: int) -> int:
    """Continue from a checkpoint of the same training, if there is one. Returns the rows' position."""
    old = folder.with_name(folder.name + ".old")
    if old.exists() and not folder.exists():  # killed between the two renames
        old.rename(folder)
    try:
        state = json_value((folder / _STATE).read_text())
        whole = all(sha256_of(folder / name) == hashed for name, hashed in state["sha256"].items())
        if not whole or not state["sha256"] or state["identity"] != identity:
            return position
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return position
    trainer.sae.load_state_dict(load_file(folder / _WEIGHTS, device=str(trainer.cfg.device)))
    trainer.load_trainer_state(folder)
    return int(state["position"])


@torch.no_grad()
def _finish(trainer: Any, recording: Recording, identity: dict[str, Any], model_name: str) -> Trained:
    """Fold scale and decoder norms into the weights and read the SAE off in SAELens's inference form."""
    sae = trainer.sae
    sae.fold_activation_norm_scaling_factor(trainer.activation_scaler.scaling_factor)
    sae.fold_W_dec_norm()
    state = {name: tensor.detach().float().cpu() for name, tensor in sae.state_dict().items()}
    sae.to("cpu")
    sae.process_state_dict_for_saving_inference(state)
    config = sae.cfg.get_inference_sae_cfg_dict()
    kept = ("sae_lens_version", "sae_lens_training_version")
    config["metadata"] = {
        **{name: config.get("metadata", {}).get(name) for name in kept},
        "model_name": model_name,
        "hook_name": f"blocks.{identity['layer']}.hook_resid_post",
        "training_tokens": trainer.n_training_samples,
        "distinct_training_tokens": recording.tokens,
        "training": identity,
    }
    config["device"] = "cpu"
    columns = Columns(state["W_enc"].T.contiguous(), state["W_dec"], state["b_enc"], state["threshold"].float())
    return Trained(columns, state["b_dec"], config)
