"""torch's files (.pt, .pth) as named tensors, any part of which can be read alone. Nothing of a file is run.

Knows: the zip that torch.save writes, its storages and their byte order. Does not know: the instructions inside
(`core.saes.formats.torch_pickle`), or what tensors mean. Storages are memory-mapped, so a file of gigabytes is never
whole in memory. Of torch's own readers even `weights_only=True` is an unpickler, and ran a file's code before torch 2.6
(CVE-2025-32434); hence this one.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import torch

from core.errors import AssetError
from core.saes.formats.torch_pickle import LONGEST_PROGRAM, RefusedError, TensorNote, read_program
from core.saes.formats.zip_members import data_offset
from core.text.reasons import reason_of

_DTYPES = {
    name: getattr(torch, name)
    for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
}


class TorchFile:
    """The tensors of one file whose top is a dictionary of them, by name; entries that are no tensors are left out.

    Raises AssetError, from the first look at the file on, for: another format than torch's zip of today, a damaged
    file, compressed members, a tensor that reaches outside its storage, and whatever would have to be run.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._arrays, self._dtypes = _mapped_tensors(path)
        except RefusedError as refused:
            raise AssetError(
                f"{path} {refused}, and nothing in it was run. If you trust the file, save only its tensors as "
                "safetensors."
            ) from refused
        except AssetError:
            raise
        except Exception as error:  # zip, pickle and numpy each have their own kinds; all mean a damaged file
            raise AssetError(f"{path} is not a complete torch file ({reason_of(error)}). Restore it.") from error

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def names(self) -> tuple[str, ...]:
        return tuple(self._arrays)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._arrays[name].shape

    def tensor(self, name: str, *where: slice) -> torch.Tensor:
        """A tensor, or a part of it, in its own number format, copied out of the file."""
        array = self._arrays[name][where]
        native = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
        return torch.from_numpy(native).view(self._dtypes[name])

    def part(self, name: str, *where: slice) -> torch.Tensor:
        """As `tensor`, in float32."""
        return self.tensor(name, *where).float()

    def half(self) -> bool:
        """Whether every tensor of fractions is float16; counters are not asked."""
        return {dtype for dtype in self._dtypes.values() if dtype.is_floating_point} == {torch.float16}


def _mapped_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, torch.dtype]]:
    """Name → integers as wide as the tensor's numbers, mapped from the file; name → the numbers' format."""
    with path.open("rb") as file:
        _check_format(path, file)
        with zipfile.ZipFile(file) as archive:
            members = {member.filename: member for member in archive.infolist()}
            if len(members) != len(archive.infolist()):
                raise ValueError("it has two members with the same name")
            program = _only_program(members)
            data_offset(file, program)  # refuses a compressed one, which could be of any size
            if program.file_size > LONGEST_PROGRAM:
                raise RefusedError(
                    f"describes its tensors in {program.file_size} bytes, more than the limit of {LONGEST_PROGRAM}"
                )
            tree = read_program(archive.read(program))
            folder = program.filename.removesuffix("data.pkl")
            order = _byte_order(archive, members.get(f"{folder}byteorder"))
        if not isinstance(tree, dict):
            raise RefusedError("contains something other than a dictionary of tensors")
        notes = {name: note for name, note in tree.items() if isinstance(name, str) and isinstance(note, TensorNote)}
        arrays = {
            name: _view(path, file, members.get(f"{folder}data/{note.storage.key}"), note, order)
            for name, note in notes.items()
        }
    return arrays, {name: _DTYPES[note.storage.dtype] for name, note in notes.items()}


def _check_format(path: Path, file: BinaryIO) -> None:
    start = file.read(4)
    if start.startswith(b"\x80"):
        raise AssetError(
            f"{path} is a bare pickle, as torch wrote before version 1.6, and cannot be read without running it. If "
            "you trust it, open it with torch and save its tensors as safetensors."
        )
    if start != b"PK\x03\x04":
        raise ValueError("it is not a zip file")


def _only_program(members: dict[str, zipfile.ZipInfo]) -> zipfile.ZipInfo:
    found = [member for name, member in members.items() if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(found) != 1:
        raise ValueError("it has no data.pkl that describes its contents")
    return found[0]


def _byte_order(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None) -> Literal["<", ">"]:
    """Files without a note of it are little-endian, as torch reads them."""
    if member is None:
        return "<"
    if member.file_size > 6 or (byte_order := archive.read(member)) not in (b"little", b"big"):
        raise ValueError("its byte order is neither little nor big")
    return "<" if byte_order == b"little" else ">"


def _view(
    path: Path, file: BinaryIO, member: zipfile.ZipInfo | None, note: TensorNote, order: Literal["<", ">"]
) -> np.ndarray:
    """The numbers of a tensor as integers of their width: numpy has no bfloat16, and bits are to stay as they are."""
    width = _DTYPES[note.storage.dtype].itemsize
    kind = np.dtype(f"{order}i{width}")
    if 0 in note.shape:
        return np.empty(note.shape, kind)
    if member is None:
        raise ValueError(f"its storage {note.storage.key[:20]!a} is missing")
    if note.storage.length * width > member.file_size:
        raise ValueError(f"its storage {note.storage.key[:20]!a} is shorter than it says")
    last = note.offset + sum((size - 1) * step for size, step in zip(note.shape, note.stride, strict=True))
    if last >= note.storage.length:
        raise ValueError("one of its tensors reaches outside its storage")
    numbers = 1
    for size in note.shape:
        numbers *= size
    if numbers > note.storage.length:  # a stride of 0: a few bytes could stand for more than any memory holds
        raise ValueError("one of its tensors repeats its numbers")
    whole = np.memmap(path, kind, "r", data_offset(file, member), (note.storage.length,))
    return np.lib.stride_tricks.as_strided(
        whole[note.offset :], note.shape, [step * width for step in note.stride], writeable=False
    )
