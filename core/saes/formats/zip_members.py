"""Where a zip file's members lie in it, so that those stored as they are can be memory-mapped.

Knows: a zip's local headers. Does not know: what members hold.
"""

from __future__ import annotations

import zipfile
from typing import BinaryIO

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
