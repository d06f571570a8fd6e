"""What was measured of sets of features, kept as files: a reading takes minutes; its tables follow from it in seconds.

Knows: the arrays of a `Measured`, files, names. Does not know: pages, or how anything is measured. A file that cannot
be read is put aside and the reading is made again; the oldest leave when there are more than `MOST`.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path

import numpy as np
from scipy.sparse import csc_array

from core.edits.edits import Feature
from core.kept_files import put_aside, write_whole
from core.paths import cache_folder
from core.semantics.about import Measured
from core.semantics.firing import Firing
from core.statistics import Estimate
from core.text.json_text import json_text, json_value

MOST = 32
_PARTS = ("data", "indices", "indptr")
_log = logging.getLogger("hydrascope")


def reading_file(key: str) -> Path:
    """Where the reading of a key lies. key: everything that its numbers depend on."""
    return cache_folder() / "readings" / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz"


def keep_reading(key: str, found: Measured) -> None:
    """Write a reading. A full disk costs the file and nothing else; it is logged."""
    path = reading_file(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda beside: _write(beside, found))
        for old in sorted(path.parent.glob("*.npz"), key=lambda one: one.stat().st_mtime)[:-MOST]:
            old.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("A reading of features could not be kept: %s", error)


def kept_reading(key: str) -> Measured | None:
    """What was kept under a key, or None."""
    path = reading_file(key)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return _read(arrays)
    except Exception as error:  # zipfile, zlib, numpy and scipy each have their own kinds; all mean a damaged file
        with suppress(OSError):
            _log.warning("%s cannot be read (%s), and was put aside: %s", path.name, error, put_aside(path).name)
        return None


def _write(path: Path, found: Measured) -> None:
    arrays: dict[str, np.ndarray] = {
        f"place_{number}_{name}": getattr(place, name)
        for number, place in enumerate(found.firing.places)
        for name in _PARTS
    }
    arrays["prompts"] = np.array(found.firing.prompts)
    arrays["widths"] = np.array(list(found.firing.widths.items()), dtype=np.int64)
    arrays["drawn"] = np.array(found.drawn, dtype=np.int64).reshape(-1, 2)
    nothing = (float("nan"),) * len(Estimate._fields)
    effects = [nothing if one is None else tuple(one) for one in found.effects]
    arrays["effects"] = np.array(effects, dtype=np.float64).reshape(-1, len(Estimate._fields))
    said = json_text({"writer": found.writer, "sentences": {str(f): text for f, text in found.sentences.items()}})
    arrays["said"] = np.frombuffer(said.encode("utf-8"), dtype=np.uint8)
    with path.open("wb") as opened:
        np.savez_compressed(opened, allow_pickle=False, **arrays)


def _read(arrays: np.lib.npyio.NpzFile) -> Measured:
    prompts = int(arrays["prompts"])
    widths = {int(layer): int(width) for layer, width in arrays["widths"]}
    shape = (prompts, sum(widths.values()))
    first, second, third = (
        csc_array(tuple(arrays[f"place_{number}_{name}"] for name in _PARTS), shape=shape) for number in range(3)
    )
    said = json_value(arrays["said"].tobytes().decode("utf-8"))
    return Measured(
        Firing(prompts, widths, (first, second, third)),
        tuple(Feature(int(layer), int(index)) for layer, index in arrays["drawn"]),
        tuple(None if np.isnan(row[1]) else Estimate(row[0], int(row[1]), row[2], row[3]) for row in arrays["effects"]),
        str(said["writer"]),
        {Feature.parse(name): str(text) for name, text in said["sentences"].items()},
    )
