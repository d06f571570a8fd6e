"""torch files put together by hand: any description, any members, and the sentence that refuses them.

Knows: the zip that torch.save writes and the pickle instructions in it. Does not know: what reads them.
"""

from __future__ import annotations

import struct
import zipfile

import pytest
import torch

from core import AssetError
from core.saes.formats.torch_zip import TorchFile


def rewrite(path, members, how=zipfile.ZIP_STORED):
    """The same archive with other contents of some members; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        there = {name: archive.read(name) for name in archive.namelist()}
    folder = next(iter(there)).partition("/")[0]
    there |= {f"{folder}/{name}": value for name, value in members.items()}
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, value in there.items():
            if value is not None:
                archive.writestr(name, value)


def described(path, program):
    """A torch file whose description is `program`, with one storage of 48 bytes."""
    torch.save({"W": torch.arange(12.0)}, path)
    rewrite(path, {"data.pkl": program})
    return path


def refused(path, *told):
    with pytest.raises(AssetError) as caught:
        TorchFile(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path)) and sentence.endswith(".") and "\n" not in sentence
    for part in told:
        assert part in sentence, sentence


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(length=12, offset=0, shape=(12,), stride=(1,), storage="FloatStorage", key="0", metadata=b""):
    """The program of {"W": a tensor}."""
    named = b"(" + text("storage") + f"ctorch\n{storage}\n".encode() + text(key) + text("cpu") + number(length) + b"tQ"
    arguments = named + number(offset) + numbers(shape) + numbers(stride) + b"\x89}" + metadata
    return b"\x80\x02}" + text("W") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tRs."
