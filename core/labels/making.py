"""Labels made on this machine, for SAEs nobody has explained: where a feature fires in given prompts, what it promotes.

Knows: residuals of a sample, SAE blocks, the unembedding. Does not know: where prompts come from, stores, pages.
What a label says is in `core.labels.wording`; the tokens a feature promotes are those whose logits its decoder row
raises most, through the final norm's gain and the unembedding. One block of features is in memory at a
time, and a layer's file appears when it is whole: a run that was stopped goes on with the next layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from core.engine import Engine
from core.errors import AssetError, Cancelled, InputError
from core.kept_files import put_in_place
from core.labels.contexts import Context, contexts_to_json
from core.labels.notes import COLUMNS, made_file
from core.labels.origins import MADE_OF, origins_of
from core.labels.sample import Sample
from core.labels.source_texts import SOURCE_TEXTS, to_metadata
from core.labels.token_text import TokenTexts
from core.labels.wording import label_text, word
from core.one_at_a_time import one_at_a_time
from core.progress import NEVER, QUIET, Progress
from core.text.json_text import json_text
from core.text.reasons import reason_of

#: Places looked at, contexts shown, and distinct words of a label; tokens shown before and after a place.
PLACES, CONTEXTS, WORDS, BEFORE, AFTER = 40, 4, 10, 6, 3
#: Features in memory at a time.
FEATURES_AT_ONCE = 512
#: Residuals held at a time, in bytes; with more layers than fit, the prompts are read again.
RESIDUAL_BYTES = 2_000_000_000
_KEY = b"made_from"
#: layers → layer → float32 [tokens, d_model], rows as `Sample.ids` has its tokens.
Residuals = Callable[[Collection[int]], dict[int, torch.Tensor]]


class Made(NamedTuple):
    """Layers whose labels were made now, and those that were there already, from the same prompts and SAEs."""

    made: tuple[int, ...]
    here: tuple[int, ...]
    cancelled: bool


def make_labels(
    engine: Engine,
    sample: Sample,
    folder: Path,
    layers: Collection[int] | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
    residuals: Residuals | None = None,
) -> Made:
    """Label every feature of `layers` (all with an SAE when None), one file a layer in `folder`.

    residuals: gives what `sample_residuals` does, where it is recorded already; when None, the model is run. A layer
    whose file is already there, from the same tokens, weights and SAE, is left as it is. Two processes or threads that
    label into one folder take turns. Raises InputError for a layer without an SAE, AssetError when a file cannot be
    written.
    """
    wanted = sorted(engine.widths if layers is None else set(layers))
    if unknown := set(wanted) - set(engine.widths):
        raise InputError(f"There is no SAE at layer {min(unknown)}. Choose one of {sorted(engine.widths)}.")
    origins = origins_of(engine)
    texts = to_metadata(sample.texts)
    keys = {layer: _key(engine, sample, layer, origins[layer]) for layer in wanted}

    def here() -> tuple[int, ...]:
        return tuple(layer for layer in wanted if _made_from(made_file(folder, layer)) == (keys[layer], texts))

    if len(before := here()) == len(wanted):
        return Made((), before, False)
    with _turn(folder, progress, cancelled) as ours:
        if not ours:
            return Made((), before, True)
        before = here()  # another one may have made them while this one waited
        todo = [layer for layer in wanted if layer not in before]
        facts = {layer: {_KEY: keys[layer], MADE_OF: origins[layer], SOURCE_TEXTS: texts} for layer in todo}
        done, stopped = _made(engine, sample, folder, facts, progress, cancelled, residuals)
    return Made(done, before, stopped)


def _made(
    engine: Engine,
    sample: Sample,
    folder: Path,
    facts: Mapping[int, Mapping[bytes, str]],
    progress: Progress,
    cancelled: Callable[[], bool],
    residuals: Residuals | None,
) -> tuple[tuple[int, ...], bool]:
    """(layers made, whether it was stopped). facts: layer → what its file says of itself."""
    about = f"{len(sample.sequences):,} prompts, {len(sample.counted):,} tokens"
    todo, done = list(facts), list[int]()
    size = max(1, RESIDUAL_BYTES // (4 * engine.d_model * len(sample.ids)))
    for group in (todo[start : start + size] for start in range(0, len(todo), size)):
        progress(f"Reading {about}", len(done) / len(todo))
        held = sample_residuals(engine, sample, group, cancelled) if residuals is None else residuals(group)
        for layer in group:
            if held is None:
                return tuple(done), True
            blocks = label_blocks(engine, sample, layer, held.pop(layer))
            whole = engine.widths[layer]

            def stop_asked(seen: int, layer: int = layer, whole: int = whole) -> bool:
                progress(f"Labels of layer {layer}, from {about}", (len(done) + seen / whole) / len(todo))
                return cancelled()

            if not _write(made_file(folder, layer), blocks, {b"about": about, **facts[layer]}, stop_asked):
                return tuple(done), True
            done.append(layer)
    return tuple(done), False


@contextmanager
def _turn(folder: Path, progress: Progress, cancelled: Callable[[], bool]) -> Iterator[bool]:
    """The folder, for one process or thread at a time. False where the wait for another one was stopped."""
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(one_at_a_time(folder / "labels.lock", "making these labels", progress, cancelled))
        except Cancelled:
            yield False
            return
        except OSError as error:
            raise _unwritable(folder, error) from error
        yield True


def sample_residuals(
    engine: Engine, sample: Sample, layers: Collection[int], cancelled: Callable[[], bool] = NEVER
) -> dict[int, torch.Tensor] | None:
    """layer → float32 [tokens, d_model] on the CPU: resid_post of the unedited model. None when it was cancelled."""
    found: dict[int, list[torch.Tensor]] = {layer: [] for layer in layers}
    for sequence in sample.sequences:
        if cancelled():
            return None
        for layer, x in engine.reader.unedited_residuals(sequence, layers).items():
            found[layer].append(x[1:])
    return {layer: torch.cat(parts) for layer, parts in found.items()}


def label_blocks(engine: Engine, sample: Sample, layer: int, x: torch.Tensor) -> Iterator[pd.DataFrame]:
    """Labels of all features of a layer, `FEATURES_AT_ONCE` at a time, with the columns of a labels file.

    x: float32 [tokens, d_model], that layer's residuals of the sample.
    """
    # Not the tokenizer's own list of special tokens, which in many models lacks those that open a turn.
    texts, special = TokenTexts(engine.tokenizer), tuple(sorted(engine.runtime.template.controls))
    for block in engine.reader.strongest(layer, x[torch.from_numpy(sample.counted)], PLACES, FEATURES_AT_ONCE):
        yield pd.DataFrame(
            [
                _row(
                    sample,
                    texts,
                    special,
                    layer,
                    block.first + i,
                    float(block.density[i]),
                    block.value[:, i].tolist(),
                    sample.counted[block.place[:, i]],
                    promoted,
                )
                for i, promoted in enumerate(block.promoted)
            ],
            columns=list(COLUMNS),
        )


def _row(
    sample: Sample,
    texts: TokenTexts,
    special: Sequence[str],
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
        here = texts.place(sample.ids, max(row - BEFORE, first), row, min(row + 1 + AFTER, last))
        if here[:2] in seen:
            continue
        seen.add(here[:2])
        if len(contexts) < CONTEXTS:
            contexts.append(Context(*here, _digits(value, 4)))
        words.append(word(here.token))
    out = [word(texts.alone(token)) for token in promoted]
    label = label_text(contexts, [each for each, _ in Counter(words).most_common()], out, special)
    return layer, index, label, _digits(density, 6), _digits(values[0], 5), contexts_to_json(contexts), ", ".join(out)


def _digits(value: float, digits: int) -> float:
    """Significant digits, not decimals: a share or an activation can be small and is not 0 for that."""
    return float(f"{value:.{digits}g}")


def _key(engine: Engine, sample: Sample, layer: int, origin: str) -> str:
    """Everything the labels of a layer depend on but device and number format, which change only last digits."""
    spec, name = engine.spec, engine.reader.sae_names[layer]
    return json_text([spec.name, spec.revision, name, engine.widths[layer], sample.digest, origin])


def _made_from(path: Path) -> tuple[str, str] | None:
    """The key a labels file was made with, and what it says of its texts (nothing in those of earlier versions); None
    where there is none that can be read whole."""
    try:
        pq.read_table(path, page_checksum_verification=True)
        facts = pq.read_schema(path).metadata or {}
        return facts.get(_KEY, b"").decode(), facts.get(SOURCE_TEXTS, b"").decode()
    except (OSError, ValueError, pa.ArrowException):
        return None


def _write(
    path: Path, blocks: Iterator[pd.DataFrame], facts: dict[bytes, str], stop_asked: Callable[[int], bool]
) -> bool:
    """Write a layer's file block by block, under its name only when whole. stop_asked(features so far): True stops."""
    partial, seen = path.with_suffix(".partial"), 0
    try:
        with pq.ParquetWriter(
            partial, _SCHEMA.with_metadata(facts), compression="zstd", write_page_checksum=True
        ) as writer:
            for frame in blocks:
                table = pa.Table.from_pandas(frame, schema=_SCHEMA, preserve_index=False)
                writer.write_table(table.replace_schema_metadata(facts))
                seen += len(frame)
                if stop_asked(seen):
                    return False
        put_in_place(partial, path)
        return True
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    finally:
        with suppress(OSError):  # the folder itself may be what is wrong
            partial.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError) -> AssetError:
    return AssetError(
        f"Labels cannot be written to {folder} ({reason_of(error)}). Free some disk space, or set HYDRASCOPE_CACHE to "
        "a writable folder."
    )


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
