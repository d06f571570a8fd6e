"""Residuals after some decoder layers on conversations, in float16 files, one a layer: `layer_NN.f16`.

Knows: a plain transformers model, conversations as token ids. Does not know: SAEs, prompts. The fixed prefix is
computed once and none of it is recorded (BOS is prompt-free and its norm is out of all scale). Nothing above the
highest layer runs. `done.json`, written after each batch, says how far the files are good, with their checksums; a run
that was killed goes on from there.
"""

from __future__ import annotations

import copy
import hashlib
import os
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from core.errors import AssetError, Cancelled
from core.kept_files import write_whole
from core.models.architecture import decoder_layers
from core.progress import NEVER, QUIET, Progress
from core.text.json_text import json_text, json_value
from core.text.reasons import reason_of
from core.training.chats import Chats

DONE = "done.json"
#: Bytes of a recording that are compared with its checksum at a time.
_AT_ONCE = 2**24


class _HighEnough(Exception):  # noqa: N818 (nothing is wrong: the layers above are not wanted)
    """Ends a forward pass after the highest recorded layer."""


@dataclass(frozen=True)
class Recording:
    """Files of one recording. tokens: rows in each. digest: what its conversations and weights are known by."""

    folder: Path
    layers: tuple[int, ...]
    d_model: int
    tokens: int
    digest: str

    def path(self, layer: int) -> Path:
        return self.folder / f"layer_{layer:02d}.f16"

    def rows(self, layer: int) -> np.ndarray:
        """float16 [tokens, d_model], mapped from the file."""
        return np.memmap(self.path(layer), dtype=np.float16, mode="r", shape=(self.tokens, self.d_model))


def padded_batches(rows: Sequence[Sequence[int]], budget: int, seed: int = 0) -> list[list[int]]:
    """Which rows run together: alike in length, at most `budget` tokens a batch with the padding, in a drawn order."""
    batches: list[list[int]] = []
    for index in sorted(range(len(rows)), key=lambda i: len(rows[i])):
        if batches and len(rows[index]) * (len(batches[-1]) + 1) <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    random.Random(seed).shuffle(batches)
    return batches


def recorded_order(rows: Sequence[Sequence[int]], budget: int) -> list[int]:
    """In which order the conversations lie in a recording that was made with this budget."""
    return [index for batch in padded_batches(rows, budget) for index in batch]


def padded(rows: Sequence[Sequence[int]], device: torch.device | str) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids [rows, longest], which of them are real), padded on the right, where causal attention does not look."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=device)
    real = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows], device=device)
    return ids, real


class PrefixPass:
    """The fixed prefix, computed once; every later pass continues from a copy of its keys and values."""

    def __init__(self, model: Any, prefix: Sequence[int]) -> None:
        from transformers import DynamicCache

        self._model, self._length = model, len(prefix)
        self._start = DynamicCache(config=model.config)
        self._forward(torch.tensor([list(prefix)], device=model.device), self._start, 0)

    def run(self, ids: torch.Tensor) -> Any:
        """The model's output on ids [rows, n] after the prefix, or None where a hook ended it."""
        past = copy.deepcopy(self._start)
        past.batch_repeat_interleave(len(ids))
        return self._forward(ids, past, self._length)

    def _forward(self, ids: torch.Tensor, past: Any, start: int) -> Any:
        positions = torch.arange(start, start + ids.shape[1], device=ids.device)[None]
        try:
            return self._model(ids, past_key_values=past, use_cache=True, position_ids=positions)
        except _HighEnough:
            return None


@contextmanager
def _grabbing(model: Any, layers: Sequence[int]) -> Iterator[dict[int, torch.Tensor]]:
    """layer → its last output, while the block runs; passes end after the highest of the layers."""
    grabbed: dict[int, torch.Tensor] = {}
    highest = max(layers)

    def keep(layer: int) -> Callable[..., None]:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            grabbed[layer] = output[0] if isinstance(output, tuple) else output
            if layer == highest:
                raise _HighEnough

        return hook

    with ExitStack() as stack:
        for layer in layers:
            stack.callback(decoder_layers(model)[layer].register_forward_hook(keep(layer)).remove)
        yield grabbed


class Residuals:
    """A model's residuals after some layers on conversations that begin with `prefix`, a batch at a time. model: of
    transformers; its hooks are there during a call only."""

    def __init__(self, model: Any, prefix: Sequence[int], layers: Sequence[int]) -> None:
        self._model, self._layers = model, tuple(layers)
        with torch.inference_mode(), _grabbing(model, layers):
            self._prefix = PrefixPass(model, prefix)

    @torch.inference_mode()
    def of(self, rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """A layer each, float16 [tokens of all rows, d_model]; what float16 cannot hold is infinite. rows: what follows
        the prefix in each conversation."""
        ids, real = padded(rows, self._model.device)
        with _grabbing(self._model, self._layers) as grabbed:
            self._prefix.run(ids)
        return [grabbed[n][real.to(grabbed[n].device)].half().cpu().numpy() for n in self._layers]


class Recorders(Protocol):
    """Whoever computes residuals: this process, or many workers (`core.training.recorders`)."""

    def __call__(
        self,
        prefix: Sequence[int],
        layers: Sequence[int],
        batches: Sequence[Sequence[Sequence[int]]],
        checkpoint: Callable[[], None],
    ) -> Iterator[list[np.ndarray]]:
        """As `Residuals.of`, of every batch of conversations, in order, as soon as they are there. checkpoint: raises
        to stop."""
        ...

    def close(self) -> None:
        """Let go of whatever was started for it."""
        ...


class Here(NamedTuple):
    """This process, with a model of transformers."""

    model: Any

    def __call__(
        self,
        prefix: Sequence[int],
        layers: Sequence[int],
        batches: Sequence[Sequence[Sequence[int]]],
        checkpoint: Callable[[], None],
    ) -> Iterator[list[np.ndarray]]:
        residuals = Residuals(self.model, prefix, layers)
        for batch in batches:
            checkpoint()
            yield residuals.of(batch)

    def close(self) -> None:
        """The model belongs to whoever loaded it."""


def record(
    model: Any,
    chats: Chats,
    layers: Sequence[int],
    folder: Path,
    *,
    weights: str,
    budget: int = 4096,
    recorders: Recorders | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Recording:
    """Run the conversations and write their residuals. weights: as `core.training.weights` tells those of `model`; a
    recording of others is made anew. budget: tokens a forward pass, padding counted. recorders: this process if None.

    Raises Cancelled between batches, AssetError for residuals that float16 cannot hold; what was written is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    batches = padded_batches(chats.rows, budget)
    d_model = model.config.get_text_config().hidden_size
    digest = hashlib.sha256(json_text([chats.digest, weights]).encode()).hexdigest()[:16]
    recording = Recording(folder, tuple(layers), d_model, chats.tokens, digest)
    wanted = {"layers": list(layers), "d_model": d_model, "digest": digest, "weights": weights, "of": len(batches)}
    done = _done(recording, wanted)
    sums: dict[str, int] = done["sums"]
    if done["batches"] == len(batches):
        return recording

    def checkpoint() -> None:
        if cancelled():
            raise Cancelled("The recording was stopped. The part so far is kept.")

    left = [[chats.rows[i] for i in batch] for batch in batches[done["batches"] :]]
    made = (recorders or Here(model))(chats.prefix, layers, left, checkpoint)
    with ExitStack() as stack:
        files = {n: stack.enter_context(recording.path(n).open("r+b" if done["batches"] else "wb")) for n in layers}
        for file in files.values():  # what a stopped run wrote of its last batch is written over
            file.truncate(done["tokens"] * d_model * 2)
            file.seek(0, 2)
        told = f"Recording {chats.tokens:,} tokens"
        progress(told, done["batches"] / len(batches))
        for number, each in enumerate(made, done["batches"] + 1):
            for (layer, file), rows in zip(files.items(), each, strict=True):
                if not np.isfinite(rows).all():
                    raise AssetError(
                        f"Residuals after layer {layer} are too large for float16. Train on another layer."
                    )
                data = rows.tobytes()
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # before `done.json` says that it is there
                sums[str(layer)] = zlib.crc32(data, sums.get(str(layer), 0))
            done = {**done, "batches": number, "tokens": done["tokens"] + len(each[0]), "sums": sums}
            write_whole(folder / DONE, json_text(done))
            if number < len(batches):
                progress(told, number / len(batches))
    return recording


def finished(folder: Path) -> Recording:
    """The complete recording in a folder. Raises AssetError for an incomplete one."""
    try:
        found = json_value((folder / DONE).read_text())
        whole = found["batches"] == found["of"]
        recording = Recording(folder, tuple(found["layers"]), found["d_model"], found["tokens"], found["digest"])
    except (OSError, ValueError, KeyError) as error:
        raise AssetError(
            f"There is no recording in {folder} ({reason_of(error)}). Record the residuals first."
        ) from error
    if not whole:
        raise AssetError(f"The recording in {folder} was stopped before its end. Finish it first.")
    return recording


def _done(recording: Recording, wanted: dict[str, Any]) -> dict[str, Any]:
    """How far an earlier run of the same recording came; the start for any other, and where a file is no longer what
    was written: a power cut or a bad disk may leave zeros in it, which would be trained on like any other rows."""
    try:
        found: dict[str, Any] = json_value((recording.folder / DONE).read_text(encoding="utf-8"))
        same = all(found[name] == value for name, value in wanted.items())
        size = found["tokens"] * recording.d_model * 2
        if same and all(_sum(recording.path(n), size) == found["sums"].get(str(n), 0) for n in recording.layers):
            return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return {**wanted, "batches": 0, "tokens": 0, "sums": {}}


def _sum(path: Path, size: int) -> int:
    """The checksum of the first `size` bytes of a file. Raises OSError, ValueError for a file that is shorter."""
    found, left = 0, size
    with path.open("rb") as file:
        while left:
            data = file.read(min(left, _AT_ONCE))
            if not data:
                raise ValueError(f"{path.name} is cut short")
            found, left = zlib.crc32(data, found), left - len(data)
    return found
