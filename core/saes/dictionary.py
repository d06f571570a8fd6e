"""SAE dictionaries on disk, one feature a record, so that any few features are a few small reads.

Knows: records. Does not know: how they are made (`core.saes.packed`), models, edits, devices. The columns
an edit names are read through a memory map, and the whole dictionary never is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from core.errors import AssetError, InputError
from core.saes.columns import Columns, Encoders
from core.saes.integrity import READING, WRITING, Integrity
from core.text.reasons import reason_of


@dataclass(frozen=True)
class Dictionary:
    """One SAE at `resid_post` of `layer`, memory-mapped: d_sae records of 2·d_model + 2 numbers of `dtype`."""

    layer: int
    d_model: int
    d_sae: int
    name: str
    path: Path
    output_bias: torch.Tensor  # b_dec, float32 [d_model]
    subtracts_bias: bool  # whether b_dec is subtracted from the input (SAELens: apply_b_dec_to_input)
    dtype: str = "float32"  # of the records on disk; what is read is always float32
    hook: str = ""  # where it reads, as SAELens names it; empty where its files do not say
    integrity: Integrity | None = field(default=None, compare=False)  # what records must be when they are first read

    def records(self) -> np.memmap:
        """All records, mapped: [d_sae, 2·d_model + 2] of `dtype`. Not compared with anything. Raises AssetError."""
        try:
            # Copy on write: torch takes no read-only array, and nothing written there could reach the file.
            return np.memmap(self.path, dtype=np.dtype(self.dtype), mode="c", shape=(self.d_sae, 2 * self.d_model + 2))
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> AssetError:
        return AssetError(
            f"The records of the SAE of layer {self.layer} ({self.path.name}) can no longer be read "
            f"({reason_of(error)}). Load the model again."
        )

    @property
    def _record_bytes(self) -> int:
        return np.dtype(self.dtype).itemsize * (2 * self.d_model + 2)

    def _read(self, where: np.ndarray | slice, *halves: int) -> np.ndarray:
        """The records `where`, as they were packed. halves: the halves that will be used. Raises AssetError."""
        if self.integrity is not None:
            self.integrity.check_current(self.layer)
        records = self.records()
        if self.integrity is not None and (bad := self.integrity.first_bad(records, where, halves)) is not None:
            self.integrity.mend(bad)
            self.integrity.forget()
            records = self.records()
            if (bad := self.integrity.first_bad(records, where, halves)) is not None:
                raise AssetError(
                    f"The records of the SAE of layer {self.layer} are damaged at feature {bad} again right after they "
                    "were packed anew. Check the disk, or set HYDRASCOPE_CACHE to a folder on another one."
                )
        found: np.ndarray = records[where]
        return found

    def check(self, start: int, stop: int) -> None:
        """Compare the records from `start` to before `stop` with their checksums, where that was not done yet.

        Where one is damaged, all are put aside and packed again. They are read past the map, so that memory does not
        grow. Raises AssetError.
        """
        if self.integrity is None:
            return
        self.integrity.check_current(self.layer)
        try:
            with self.path.open("rb") as file:
                file.seek(start * self._record_bytes)
                data = file.read((stop - start) * self._record_bytes)
        except OSError as error:
            raise self._unreadable(error) from error
        rows = np.frombuffer(data[: len(data) // self._record_bytes * self._record_bytes], self.dtype)
        rows = rows.reshape(-1, 2 * self.d_model + 2)
        bad = self.integrity.first_bad(rows, slice(start, start + len(rows)), (READING, WRITING), first=start)
        if bad is not None:
            self.integrity.mend(bad)
            self.integrity.forget()

    def columns(self, indices: list[int] | np.ndarray) -> Columns:
        """Read the records of `indices` only. Raises InputError for an index outside the dictionary."""
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= self.d_sae):
            bad = int(wanted[(wanted < 0) | (wanted >= self.d_sae)][0])
            raise InputError(
                f"Feature {self.layer}-{bad} does not exist: the SAE of layer {self.layer} has {self.d_sae} features "
                f"(0 to {self.d_sae - 1})."
            )
        self._ask_for(wanted)
        return self._split(np.asarray(self._read(wanted, READING, WRITING)))  # indexing by a list copies out of the map

    def encoders(self, start: int, stop: int) -> Encoders:
        """The reading half of the features from `start` to before `stop`, or to the last."""
        some, d = self._read(slice(start, stop), READING), self.d_model
        return Encoders(*map(_float32, (some[:, :d], some[:, 2 * d], some[:, 2 * d + 1])))

    def decoders(self, indices: np.ndarray | slice) -> torch.Tensor:
        """float32 [n, d_model]: the decoder rows of `indices` alone, which must be inside the dictionary."""
        if isinstance(indices, np.ndarray):
            self._ask_for(indices)
        return _float32(self._read(indices, WRITING)[:, self.d_model : 2 * self.d_model])

    def _ask_for(self, indices: np.ndarray) -> None:
        """Have the system fetch these records, all at a time: a map would fetch one after the other, each when it is
        touched, and what lies around it too (140 times as long for 200 of them from a cold disk: docs/log.md). Of many
        records that is right as it is.
        """
        if not hasattr(os, "posix_fadvise") or len(indices) > self.d_sae // 8:
            return
        size = self._record_bytes
        file = os.open(self.path, os.O_RDONLY)
        try:
            for index in indices.tolist():
                os.posix_fadvise(file, index * size, size, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(file)

    @property
    def input_bias(self) -> torch.Tensor | None:
        return self.output_bias if self.subtracts_bias else None

    def _split(self, records: np.ndarray) -> Columns:
        # torch casts half precision many times faster than NumPy does.
        tensor, d = torch.from_numpy(records), self.d_model
        parts = tensor[:, :d], tensor[:, d : 2 * d], tensor[:, 2 * d], tensor[:, 2 * d + 1]
        return Columns(*(part.float() for part in parts))


def _float32(records: np.ndarray) -> torch.Tensor:
    """A contiguous copy in memory; torch turns half precision into single several times faster than numpy does."""
    return torch.from_numpy(records).to(torch.float32, copy=True, memory_format=torch.contiguous_format)
