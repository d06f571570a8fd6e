"""Whether records are still what was packed: every record is compared with its checksums when it is first read.

Knows: two checksums a record, one of its reading half (encoder, bias, threshold) and one of its writing half (decoder).
Does not know: how records are packed, or what they are read for. Bits flip and blocks are zeroed on disks without a
change of size, and a number computed from such a record would look like any other.
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from core.errors import AssetError
from core.text.json_text import json_text, json_value
from core.text.reasons import reason_of

READING, WRITING = 0, 1
#: How the checksums lie in their file: little-endian, [d_sae, 2].
DTYPE = np.dtype("<u4")


def record_sums(records: np.ndarray) -> np.ndarray:
    """uint32 [n, 2]: the checksums of whole records [n, 2·d_model + 2]."""
    return np.array([[_sum(one, half) for half in (READING, WRITING)] for one in records], dtype=DTYPE).reshape(-1, 2)


class Integrity:
    """The checksums of one file of records, and which of them have been compared in this process.

    path: of the records. mend: called with the number of the first damaged record; it puts good records in the file's
    place, or raises.
    """

    def __init__(self, path: Path, sums: np.ndarray, mend: Callable[[int], None]) -> None:
        self.path, self.mend = path, mend
        self._sums, self._digest, self._state = sums, records_digest(path), _state(path)
        # Protects `_unchecked`: threads may read the same records at once.
        self._lock = threading.Lock()
        self._unchecked = np.ones(sums.shape, dtype=bool)

    def check_current(self, layer: int) -> None:
        """See that the records are still those of this SAE: another process may have packed what replaced its files.

        Raises AssetError where they are not.
        """
        now = _state(self.path)
        if now == self._state:
            return
        if now and records_digest(self.path) != self._digest:
            raise AssetError(
                f"The SAE of layer {layer} was replaced after the model was loaded. Load the model again (on a page: "
                "choose another model, then this one)."
            )
        self.forget()
        self._state = now

    def first_bad(
        self, records: np.ndarray, where: np.ndarray | slice, halves: tuple[int, ...], first: int = 0
    ) -> int | None:
        """The first of the records `where` whose halves are not what was packed; None where all are.

        records: those from `first` on.
        """
        indices = np.arange(len(self._sums))[where]
        for half in halves:
            with self._lock:
                wanted = indices[self._unchecked[indices, half]]
            for index in wanted.tolist():
                if _sum(records[index - first], half) != self._sums[index, half]:
                    return int(index)
            with self._lock:
                self._unchecked[wanted, half] = False
        return None

    def forget(self) -> None:
        """Compare everything again: another file lies in the place."""
        with self._lock:
            self._unchecked[:] = True


def check_finite(rows: torch.Tensor, start: int, name: str) -> None:
    """Raises AssetError for a number in records [n, 2·d_model + 2] that no feature can have.

    A threshold may be infinite: such a feature is never active.
    """
    good = rows[:, :-1].isfinite().all(dim=1) & ~rows[:, -1].isnan()
    if not good.all():
        bad = start + int((~good).nonzero()[0])
        raise AssetError(
            f"The SAE {name} has a number that is not finite (NaN or infinity) in feature {bad}. Its file "
            "is damaged, or its training went wrong. Get it again, or use another SAE."
        )


def _state(path: Path) -> tuple[int, int, int] | None:
    """Which file lies there, as cheaply as that can be told; None where there is none."""
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_ino, now.st_size, now.st_mtime_ns


def _sum(record: np.ndarray, half: int) -> int:
    """record: [2·d_model + 2], contiguous: encoder, decoder, bias, threshold."""
    d = (len(record) - 2) // 2
    if half == WRITING:
        return zlib.crc32(record[d : 2 * d].data)
    return zlib.crc32(record[2 * d :].data, zlib.crc32(record[:d].data))


def records_digest(path: Path) -> str:
    """16 hex digits of what the records at `path` hold: their shape, output bias and every block's checksum. The same
    on every machine, wherever the source lies. Raises AssetError.
    """
    header = path.with_suffix(".json")
    try:
        return _header_digest(header, header.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(
            f"The records in {path.name} cannot be read ({reason_of(error)}). Load the model again."
        ) from error


@lru_cache(maxsize=1024)
def _header_digest(path: Path, written: int) -> str:
    """written: when, so that a header that was replaced is read again."""
    header = json_value(path.read_text())
    names = ("version", "d_model", "d_sae", "dtype", "output_bias", "subtracts_bias", "sums")
    return hashlib.sha256(json_text([header[name] for name in names]).encode()).hexdigest()[:16]
