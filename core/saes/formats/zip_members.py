"""Where a zip file's members lie in it, so that those stored as they are can be memory-mapped; and arrays of others,
unpacked only where they are as large as they say.

Knows: a zip's local headers, numpy's header of an array. Does not know: what arrays mean.
"""

from __future__ import annotations

import ast
import math
import zipfile
from typing import IO, BinaryIO

import numpy as np

#: Weights hardly shrink. What unpacks to so many times its size, and is larger than so many bytes, is no array of them.
_MOST_TIMES, _SURELY_SMALL = 50, 10_000_000
#: The longest header of an array, as numpy's own reader has it.
_MOST_HEADER = 10_000
_LOCAL_HEADER = 30  # bytes, before the member's name


def data_offset(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Where the bytes of an uncompressed member begin in `file`.

    Raises ValueError where none is, where it is compressed or encrypted, or where it would not end inside the file.
    """
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 or member.compress_size != member.file_size:
        raise ValueError(f"its member {member.filename[:80]!a} is compressed or encrypted")
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
        raise ValueError(f"its member {member.filename[:80]!a} is not at the listed position")
    # The lengths of name and extra field here need not be those of the list at the file's end.
    name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    begin = member.header_offset + _LOCAL_HEADER + name + extra
    if begin + member.file_size > file.seek(0, 2):
        raise ValueError(f"its member {member.filename[:80]!a} extends past the end of the file")
    return begin


def array_header(file: IO[bytes]) -> tuple[np.dtype, tuple[int, ...], bool]:
    """Type, shape and whether columns come first, of the .npy that begins here. Raises ValueError."""
    version = np.lib.format.read_magic(file)
    length = int.from_bytes(file.read(2 if version[0] == 1 else 4), "little")
    if length > _MOST_HEADER:
        raise ValueError("the header of an array is too long")
    header = ast.literal_eval(file.read(length).decode("utf-8"))
    kind, shape = np.dtype(header["descr"]), tuple(header["shape"])
    if kind.hasobject:
        raise ValueError("it contains Python objects")
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError("the shape of an array is no shape")
    return kind, shape, bool(header["fortran_order"])


def unpacked_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """The array in a compressed member. Raises ValueError where it is larger than an array of weights can be, or than
    its own header says."""
    if member.file_size > max(_SURELY_SMALL, _MOST_TIMES * member.compress_size):
        raise ValueError(f"its member {member.filename[:80]!a} unpacks to {member.file_size / 10**6:,.0f} MB")
    with archive.open(member) as inside:
        kind, shape, fortran = array_header(inside)
        expected = math.prod(shape) * kind.itemsize
        if inside.tell() + expected != member.file_size:
            raise ValueError(f"its member {member.filename[:80]!a} is not as long as its header says")
        data = inside.read(expected)
    if len(data) != expected:
        raise ValueError(f"its member {member.filename[:80]!a} ends early")
    return np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
