"""What of the dictionaries stays on the device between calls: columns that edits named, and whole layers.

Knows: dictionaries, a budget in bytes, what was asked for last. Does not know: models, edits, what is computed. What is
held is what would have been read, float32 and contiguous, so no number depends on the budget; with 0 nothing is held.

Columns are few, and those of the last edit are asked for again at the next click: they push out whatever has not been
used for longest. Whole layers are walked one after the other, and where not all of them fit, pushing out the oldest
would throw each away just before it is asked for again. So a part of a layer takes free room, or the room of what has
not been used since that part itself was last asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from core.devices import free_memory
from core.saes.columns import Columns, Encoders
from core.saes.dictionary import Dictionary
from core.settings import MEMORY

#: Features of a part: what a walk over a dictionary yields at a time, and what is held or not.
PART = 2048
#: Of one dictionary, how many lists of columns are held: what an edit names changes by a feature a click, and old lists
#: in their thousands would cost every walk over this process's objects.
LISTS = 4
#: Of the memory that is free once the model is loaded: what is held on a GPU, and on a CPU, where the system keeps the
#: files themselves in memory and holding saves copies only (measured in docs/log.md).
_GPU_SHARE, _CPU_SHARE, _CPU_MOST = 0.5, 0.125, 1_000_000_000


def budget_within(free: int, device: torch.device) -> int:
    """Bytes to hold where nobody said how many and `free` of the device are free beside the model."""
    return int(free * _GPU_SHARE) if device.type == "cuda" else min(int(free * _CPU_SHARE), _CPU_MOST)


def budget_for(devices: Iterable[torch.device]) -> int:
    """What the environment says, or else what fits the fullest of the devices, wherever it lands. Raises InputError."""
    asked = MEMORY.read()
    return asked if asked is not None else min(budget_within(free_memory(one), one) for one in set(devices))


class _Held(NamedTuple):
    """Tensors that are held, their bytes, and when they were last asked for."""

    parts: tuple[torch.Tensor, ...]
    size: int
    used: int


class Residency:
    """Parts of dictionaries on the device, never more than `budget` bytes of them. Safe to share between threads.

    What it hands out is shared and must not be written to. What has left lives on while somebody still uses it.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        # Protects all of the following; held for book-keeping only, never while anything is read or computed.
        self._lock = threading.Lock()
        self._held: OrderedDict[Any, _Held] = OrderedDict()  # least recently used first
        self._asked: dict[Any, int] = {}  # parts of layers, held or not → when they were last asked for
        self._lists: dict[Any, list[Any]] = {}  # dictionary and device → its columns, those asked for last at the end
        self._clock = self._size = 0

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._size

    @property
    def sizes(self) -> tuple[int, ...]:
        """Bytes of each thing that is held, the one not used for longest first."""
        with self._lock:
            return tuple(one.size for one in self._held.values())

    def clear(self) -> None:
        """Let everything go."""
        with self._lock:
            self._held.clear()
            self._asked.clear()
            self._lists.clear()
            self._size = 0

    def columns(self, dictionary: Dictionary, indices: tuple[int, ...], device: torch.device) -> Columns:
        """Columns of `indices` on the device, in that order. Raises InputError for an index outside the dictionary."""
        where = (dictionary.path, device)
        key = (*where, indices)
        with self._lock:
            known = self._take(key)
            last = next((one for one in reversed(self._lists.get(where, ())) if one in self._held), None)
            near = None if last is None else Columns(*self._held[last].parts)
            if known:
                self._listed(where, key)
        if known:
            return Columns(*known)
        made = None
        if near is not None and last is not None:
            made = _assembled(dictionary, indices, device, near, last[-1])
        if made is None:
            made = Columns(*_placed(dictionary.columns(list(indices)), device))
        with self._lock:
            if self._keep(key, tuple(made), self._clock):
                self._listed(where, key)
        return made

    def blocks(
        self, dictionary: Dictionary, device: torch.device, size: int | None = None
    ) -> Iterator[tuple[int, Columns]]:
        """The whole dictionary on the device: (first index, Columns), `BLOCK` features at a time, or `size` of them."""
        for start, reading in self.encoders(dictionary, device):
            (decoder,) = self._part(dictionary, device, start, "decoder")
            whole = Columns(reading.encoder, decoder, reading.bias, reading.threshold)
            step = size or len(decoder)
            for first in range(0, len(decoder), step):
                yield start + first, Columns(*(part[first : first + step] for part in whole))

    def encoders(self, dictionary: Dictionary, device: torch.device) -> Iterator[tuple[int, Encoders]]:
        """As `blocks`, without the decoder rows: half the reading where only what fires is asked."""
        for start in range(0, dictionary.d_sae, PART):
            yield start, Encoders(*self._part(dictionary, device, start, "encoder"))

    def decoders(self, dictionary: Dictionary, device: torch.device) -> Iterator[tuple[int, torch.Tensor]]:
        """As `blocks`, the decoder rows alone: float32 [block, d_model]."""
        for start in range(0, dictionary.d_sae, PART):
            yield start, self._part(dictionary, device, start, "decoder")[0]

    def _part(self, dictionary: Dictionary, device: torch.device, start: int, half: str) -> tuple[torch.Tensor, ...]:
        stop = start + PART
        key = (dictionary.path, device, half, start, stop)
        with self._lock:
            before = self._asked.get(key, -1)
            known = self._take(key)
            self._asked[key] = self._clock
        if known:
            return known
        read = dictionary.encoders(start, stop) if half == "encoder" else (dictionary.decoders(slice(start, stop)),)
        made = tuple(part.to(device) for part in read)
        with self._lock:
            self._keep(key, made, before)
        return made

    def _take(self, key: Any) -> tuple[torch.Tensor, ...] | None:
        """What is held under `key`, from now on the last to leave."""
        self._clock += 1
        found = self._held.get(key)
        if found is None:
            return None
        self._held[key] = found._replace(used=self._clock)
        self._held.move_to_end(key)
        return found.parts

    def _listed(self, where: Any, key: Any) -> None:
        """Note that these columns were asked for last of their dictionary; beyond `LISTS` the oldest leave."""
        others = [one for one in self._lists.get(where, ()) if one != key and one in self._held]
        for old in others[: max(0, len(others) + 1 - LISTS)]:
            self._size -= self._held.pop(old).size
        self._lists[where] = [one for one in others if one in self._held] + [key]

    def _keep(self, key: Any, parts: tuple[torch.Tensor, ...], used_before: int) -> bool:
        """Hold `parts` where there is room, or room that only what was last used before `used_before` takes."""
        size = sum({p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in parts}.values())
        missing, leaving = self._size + size - self.budget, []
        if key in self._held or size > self.budget:
            return key in self._held
        for old, one in self._held.items():
            if missing <= 0:
                break
            if one.used > used_before:
                return False
            leaving.append(old)
            missing -= one.size
        for old in leaving:
            self._size -= self._held.pop(old).size
        self._held[key] = _Held(parts, size, self._clock)
        self._size += size
        return True


def _placed(columns: Columns, device: torch.device) -> tuple[torch.Tensor, ...]:
    """On the device, each with memory of its own: what is held holds nothing else, and one feature lies like many."""
    found = (part.to(device).contiguous() for part in columns)
    return tuple(p if p.untyped_storage().nbytes() == p.nbytes else p.clone() for p in found)


def _assembled(
    dictionary: Dictionary, indices: tuple[int, ...], device: torch.device, near: Columns, near_indices: tuple[int, ...]
) -> Columns | None:
    """Columns of which most are in `near`, reading only the others; None where too few are."""
    wanted, have = np.array(indices, dtype=np.int64), np.array(near_indices, dtype=np.int64)
    if not wanted.size or not have.size:
        return None
    order = have.argsort()
    at = order[np.searchsorted(have, wanted, sorter=order).clip(max=len(have) - 1)]
    there = have[at] == wanted
    if there.mean() < 0.5:
        return None
    taken = torch.from_numpy(at).to(device)
    found = Columns(*(part.index_select(0, taken) for part in near))
    if not there.all():
        places = torch.from_numpy(np.flatnonzero(~there)).to(device)
        for part, read in zip(found, dictionary.columns(wanted[~there]), strict=True):
            part.index_copy_(0, places, read.to(device))
    return found
