"""Labels made on this machine, for SAEs nobody has explained: where a feature fires in given prompts, what it promotes.

Knows: residuals of a sample, SAE blocks, the unembedding. Does not know: where prompts come from, stores, pages.
A label reads “tokens it fires on → tokens it promotes”: the tokens at its strongest places, and those whose logits its
decoder row raises most, through the final norm's gain and the unembedding. One block of features is in memory at a
time, and a layer's file appears when it is whole: a run that was stopped goes on with the next layer.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from core.edits.edits import Edits
from core.engine import Engine
from core.errors import AssetError, InputError
from core.forward.batches import read_tokens, shared_prefix
from core.forward.hooks import PassRequest
from core.forward.runtime import Runtime
from core.labels.notes import COLUMNS, Context, contexts_to_json, made_file
from core.models.placement import on_device
from core.progress import NEVER, QUIET, Progress
from core.saes.dictionary import activations
from core.saes.formats.open import Columns

#: Places looked at, contexts shown, and distinct words of a label; tokens shown before and after a place.
PLACES, CONTEXTS, WORDS, BEFORE, AFTER = 40, 4, 10, 6, 3
#: Promoted tokens listed of a feature, and how many of them, and of the words it fires on, its label names.
PROMOTED, IN_LABEL = 6, 3
#: Features at a time.
BLOCK = 512
#: Rows of the unembedding at a time: a vocabulary of 256,000 in float32 would be gigabytes.
_VOCABULARY = 65_536
#: Residuals held at a time, in bytes; with more layers than fit, the prompts are read again.
_AT_ONCE = 2_000_000_000
_KEY = b"made_from"


@dataclass(frozen=True)
class Sample:
    """Token sequences to read. shared: so many leading tokens are the same in all of them, and count once."""

    sequences: tuple[tuple[int, ...], ...]
    shared: int = 0

    def __post_init__(self) -> None:
        if not any(len(ids) > 1 for ids in self.sequences):
            raise InputError("There is nothing to make labels from; give at least one prompt.")

    @property
    def digest(self) -> str:
        """Which tokens these are: 16 hex digits of their sha256."""
        return hashlib.sha256(json.dumps([self.shared, self.sequences]).encode()).hexdigest()[:16]

    # Position 0 is left out everywhere: it is the same for every prompt, and many times larger than the rest.
    @cached_property
    def ids(self) -> np.ndarray:
        """int64 [tokens]: the token ids, one sequence behind the other."""
        return np.array([i for sequence in self.sequences for i in sequence[1:]], dtype=np.int64)

    @cached_property
    def owner(self) -> np.ndarray:
        """int64 [tokens]: the number of each token's sequence."""
        lengths = [len(sequence) - 1 for sequence in self.sequences]
        return np.repeat(np.arange(len(lengths)), lengths)

    @cached_property
    def _begins(self) -> np.ndarray:
        """int64 [sequences + 1]: the first row of each sequence, and the end."""
        return np.cumsum([0, *(len(sequence) - 1 for sequence in self.sequences)])

    def bounds(self, row: int) -> tuple[int, int]:
        """The rows of the sequence that `row` is in: first, and one after the last."""
        owner = self.owner[row]
        return int(self._begins[owner]), int(self._begins[owner + 1])

    @cached_property
    def counted(self) -> np.ndarray:
        """int64 [counted]: rows that count, the shared tokens in the first sequence only."""
        position = np.concatenate([np.arange(1, len(sequence)) for sequence in self.sequences])
        return np.flatnonzero((position >= self.shared) | (self.owner == 0))


class Made(NamedTuple):
    """Layers whose labels were made now, and those that were there already, from the same prompts and SAEs."""

    made: tuple[int, ...]
    here: tuple[int, ...]
    cancelled: bool


def sample_of(engine: Engine, prompts: Sequence[str]) -> Sample:
    """The prompts as the model reads them, template and all. Raises InputError for one that cannot be used."""
    read = [engine.prompt(text) for text in prompts]
    return Sample(tuple(prompt.ids for prompt in read), shared_prefix(read) if len(read) > 1 else 0)


def make_labels(
    engine: Engine,
    sample: Sample,
    folder: Path,
    layers: Collection[int] | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Made:
    """Label every feature of `layers` (all with an SAE when None), one file a layer in `folder`.

    A layer whose file is already there, from the same tokens and SAE, is left as it is. Raises InputError for a layer
    without an SAE, AssetError when a file cannot be written.
    """
    runtime, about = engine.runtime, f"{len(sample.sequences):,} prompts, {len(sample.counted):,} tokens"
    wanted = sorted(runtime.dictionaries if layers is None else set(layers))
    if unknown := set(wanted) - set(runtime.dictionaries):
        raise InputError(f"There is no SAE at layer {min(unknown)}; choose among {sorted(runtime.dictionaries)}.")
    keys = {layer: _key(runtime, sample, layer) for layer in wanted}
    here = tuple(layer for layer in wanted if _made_from(made_file(folder, layer)) == keys[layer])
    todo, done = [layer for layer in wanted if layer not in here], list[int]()
    size = max(1, _AT_ONCE // (4 * runtime.d_model * len(sample.ids)))
    for group in (todo[start : start + size] for start in range(0, len(todo), size)):
        progress(f"Reading {about}", len(done) / len(todo))
        held = residuals(runtime, sample, group, cancelled)
        for layer in group:
            if held is None:
                return Made(tuple(done), here, True)
            blocks = label_blocks(runtime, sample, layer, held.pop(layer))
            whole = runtime.dictionaries[layer].d_sae

            def told(seen: int, layer: int = layer, whole: int = whole) -> bool:
                progress(f"Labels of layer {layer}, from {about}", (len(done) + seen / whole) / len(todo))
                return cancelled()

            if not _write(made_file(folder, layer), blocks, {b"about": about, _KEY: keys[layer]}, told):
                return Made(tuple(done), here, True)
            done.append(layer)
    return Made(tuple(done), here, False)


@torch.inference_mode()
def residuals(
    runtime: Runtime, sample: Sample, layers: Collection[int], cancelled: Callable[[], bool] = NEVER
) -> dict[int, torch.Tensor] | None:
    """layer → float32 [tokens, d_model] on the CPU: resid_post of the unedited model. None when it was cancelled."""
    plan, request = runtime.plan([Edits()]), PassRequest(residuals=frozenset(layers), stop_after=max(layers))
    found: dict[int, list[torch.Tensor]] = {layer: [] for layer in layers}
    for sequence in sample.sequences:
        if cancelled():
            return None
        current = read_tokens(runtime, plan, sequence, request)
        for layer, parts in found.items():
            parts.append(current.residuals[layer][0, 1:].cpu())
    return {layer: torch.cat(parts) for layer, parts in found.items()}


def label_blocks(runtime: Runtime, sample: Sample, layer: int, x: torch.Tensor) -> Iterator[pd.DataFrame]:
    """Labels of all features of a layer, `BLOCK` at a time, with the columns of a labels file.

    x: float32 [tokens, d_model], that layer's residuals of the sample.
    """
    gain = final_gain(runtime.model)
    pieces = _Pieces(runtime.tokenizer)
    counted, bias = x[torch.from_numpy(sample.counted)].to(runtime.device_of(layer)), runtime.input_bias(layer)
    for start, columns in runtime.blocks(layer, BLOCK):
        with runtime.lock, torch.inference_mode():
            f = activations(counted, columns, bias)
            value, place = (part.cpu() for part in f.topk(min(PLACES, len(f)), dim=0))
            density = (f > 0).float().mean(0).cpu()
            promoted = _promoted(runtime, columns, gain)
        rows = sample.counted[place.numpy()]
        yield pd.DataFrame(
            [
                _row(sample, pieces, layer, start + i, float(density[i]), value[:, i].tolist(), rows[:, i], promoted[i])
                for i in range(f.shape[1])
            ],
            columns=list(COLUMNS),
        )


def _row(
    sample: Sample,
    pieces: _Pieces,
    layer: int,
    index: int,
    density: float,
    values: list[float],
    rows: np.ndarray,
    promoted: Sequence[int],
) -> tuple[object, ...]:
    """One feature. values, rows: its strongest places, strongest first; a place seen before says nothing new."""
    contexts: list[Context] = []
    words: list[str] = []
    seen: set[tuple[str, str]] = set()
    for value, row in zip(values, rows.tolist(), strict=True):
        if value <= 0 or len(words) == WORDS:
            break
        first, last = sample.bounds(row)
        before = pieces.text(sample.ids[max(row - BEFORE, first) : row])
        token = pieces.text(sample.ids[row : row + 1])
        if (before, token) in seen:
            continue
        seen.add((before, token))
        if len(contexts) < CONTEXTS:
            after = pieces.text(sample.ids[row + 1 : min(row + 1 + AFTER, last)])
            contexts.append(Context(before, token, after, round(value, 2)))
        words.append(_word(token))
    fires = " · ".join(word for word, _ in Counter(words).most_common(IN_LABEL)) or "silent on the sample"
    out = [_word(pieces.text([token])) for token in promoted]
    label = f"{fires} → {', '.join(out[:IN_LABEL])}"
    return layer, index, label, round(density, 5), round(values[0], 3), contexts_to_json(contexts), ", ".join(out)


def _word(token: str) -> str:
    """A token by itself, readable also where it is nothing but blanks."""
    return token.strip() or repr(token)[1:-1]


class _Pieces:
    """Token ids to text, each token decoded by itself and once."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self._known = tokenizer, dict[int, str]()

    def text(self, ids: Sequence[int] | np.ndarray) -> str:
        for i in map(int, ids):
            if i not in self._known:
                self._known[i] = self._tokenizer.decode([i])
        return "".join(self._known[int(i)] for i in ids)


def final_gain(model: Any) -> torch.Tensor:
    """float32 [d_model]: what the norm before the unembedding multiplies each direction with, up to one factor for all.

    Llama's norms multiply by weight, Gemma's by 1 + weight, and a LayerNorm also subtracts the mean and adds a bias.
    Which it is, is measured and not guessed from a name: of ±1 in turn the mean is 0, and a bias cancels between the
    two signs. Raises AssetError.
    """
    for path in ("model.norm", "model.language_model.norm", "transformer.ln_f", "gpt_neox.final_layer_norm"):
        norm: Any = model
        for name in path.split("."):
            norm = getattr(norm, name, None)
        if norm is None:
            continue
        with torch.inference_mode():
            with on_device(norm):
                weight = next(norm.parameters()).float()
            signs = torch.ones_like(weight)
            signs[1::2] = -1
            probe = signs.to(next(norm.parameters()).dtype)
            measured = (norm(probe).float() - norm(-probe).float()) / 2 * signs
            for exact in (weight, 1 + weight):  # without the rounding of the probe
                if torch.allclose(measured, exact, rtol=0.02, atol=1e-3):
                    return exact
            return measured
    raise AssetError(
        f"{type(model).__name__} has no final norm where it is looked for; use a Llama- or Gemma-like model."
    )


def _promoted(runtime: Runtime, columns: Columns, gain: torch.Tensor) -> list[list[int]]:
    """For each feature the token ids whose logits its decoder row raises most; special tokens are left out."""
    head = runtime.model.get_output_embeddings()
    with on_device(head):
        weight = head.weight
    decoder, gain = columns.decoder.to(weight.device), gain.to(weight.device)
    special = torch.tensor(sorted(runtime.tokenizer.all_special_ids), dtype=torch.int64, device=weight.device)
    best: list[torch.Tensor] = []
    which: list[torch.Tensor] = []
    for start in range(0, len(weight), _VOCABULARY):
        logits = decoder @ (weight[start : start + _VOCABULARY].float() * gain).T
        inside = special[(special >= start) & (special < start + logits.shape[1])] - start
        top = logits.index_fill_(1, inside, -torch.inf).topk(min(PROMOTED, logits.shape[1]), dim=1)
        best.append(top.values)
        which.append(top.indices + start)
    order = torch.cat(best, 1).topk(PROMOTED, dim=1).indices
    return torch.cat(which, 1).gather(1, order).tolist()


def _key(runtime: Runtime, sample: Sample, layer: int) -> str:
    """Everything the labels of a layer depend on but device and number format, which change only last digits."""
    spec, dictionary = runtime.spec, runtime.dictionaries[layer]
    return json.dumps([spec.name, spec.revision, dictionary.name, dictionary.d_sae, sample.digest])


def _made_from(path: Path) -> str | None:
    """The key a labels file was made with; None where there is none that can be read."""
    try:
        return (pq.read_schema(path).metadata or {}).get(_KEY, b"").decode()
    except (OSError, pa.ArrowException):
        return None


def _write(path: Path, blocks: Iterator[pd.DataFrame], facts: dict[bytes, str], told: Callable[[int], bool]) -> bool:
    """Write a layer's file block by block, under its own name only when whole. told(features so far): True to stop."""
    partial, seen = path.with_suffix(".partial"), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(partial, _SCHEMA.with_metadata(facts), compression="zstd") as writer:
            for frame in blocks:
                table = pa.Table.from_pandas(frame, schema=_SCHEMA, preserve_index=False)
                writer.write_table(table.replace_schema_metadata(facts))
                seen += len(frame)
                if told(seen):
                    return False
        partial.replace(path)
        return True
    except OSError as error:
        raise AssetError(
            f"Labels cannot be written to {path.parent} ({error}); free some disk space, or set HYDRASCOPE_CACHE to a "
            "folder that can be written."
        ) from error
    finally:
        with suppress(OSError):  # the folder itself may be what is wrong
            partial.unlink(missing_ok=True)


_SCHEMA = pa.schema(
    [
        ("layer", pa.int64()),
        ("index", pa.int64()),
        ("label", pa.string()),
        ("density", pa.float64()),
        ("max_activation", pa.float64()),
        ("contexts", pa.string()),
        ("promoted", pa.string()),
    ]
)
