"""Feature-major records: a dictionary repacked once so that any feature is one small contiguous read.

Knows: the record layout, packing in resumable, checksummed blocks. Does not know: how SAEs are published, nor what
records are read for. A record is [encoder column d_model | decoder row d_model | encoder bias | threshold],
float32, or float16 where the source is float16 throughout: casting up on reading is exact. Once packed, the source
files are needed only where the records are damaged. Beside the records lie a header and two checksums a record.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.errors import AssetError, Cancelled, HydrascopeError
from core.kept_files import put_aside, put_in_place, write_whole
from core.one_at_a_time import one_at_a_time
from core.paths import cache_folder
from core.progress import NEVER
from core.saes import integrity
from core.saes.dictionary import Dictionary
from core.saes.formats.normal_form import SaeFile
from core.text.json_text import json_text, json_value

#: Features packed at a time: what is in memory, what is lost when packing is broken off, what one checksum covers.
PACKED_AT_ONCE = 4096
#: Changes when the records' layout does.
VERSION = 2

Share = Callable[[float], object]
_log = logging.getLogger("hydrascope.saes")


def records_path(identity: Mapping[str, Any]) -> Path:
    """Where the records of a source lie, or will. identity: what tells one source from another, plain JSON values."""
    name = hashlib.sha256(str(identity["name"]).encode()).hexdigest()[:20]
    return cache_folder() / "records" / f"{name}.records"


def header_of(identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The header of whole and current records of this source; None where they have to be packed.

    Their bytes are compared with the checksums when they are read (`core.saes.integrity`).
    """
    path = records_path(identity)
    try:
        header: dict[str, Any] = json_value(path.with_suffix(".json").read_text())
        fresh = header["source"] == dict(identity) and header["version"] == VERSION
        whole = path.stat().st_size == header["d_sae"] * _record_size(header)
        return header if fresh and whole and header.get("digest") in (None, _digest(header)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def pack(
    open_source: Callable[[], SaeFile],
    identity: Mapping[str, Any],
    share: Share = lambda done: None,
    cancelled: Callable[[], bool] = NEVER,
) -> dict[str, Any]:
    """Write the records of a source, going on where an earlier try of the same source ended, and return their header.

    The header is written last, so half-written records are never used. Two processes or threads that want the same
    records take turns: the second finds them there. Raises AssetError, Cancelled (what is done is kept).
    """
    path = records_path(identity)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _turn(path, cancelled):
            # Another one may have packed them while this one waited.
            return header_of(identity) or _packed(open_source(), dict(identity), path, share, cancelled)
    except OSError as error:
        raise AssetError(
            f"An SAE cannot be packed into {path.parent} ({error.strerror or error}). Free some disk space, or set "
            "HYDRASCOPE_CACHE to a writable folder."
        ) from error


def read_records(
    identity: Mapping[str, Any],
    layer: int,
    name: str,
    open_source: Callable[[], SaeFile],
    share: Callable[[float], object] = lambda done: None,
    cancelled: Callable[[], bool] = NEVER,
) -> Dictionary:
    """The dictionary of a source, from its records, packed first where there are none. Raises AssetError, Cancelled."""
    header = header_of(identity) or pack(open_source, identity, share, cancelled)
    sums = _record_sums(identity, header)
    if sums is None:  # damaged before there were checksums of records; they were put aside
        header = pack(open_source, identity, share, cancelled)
        sums = _record_sums(identity, header)
    if sums is None:
        raise AssetError(f"The records of {identity['name']} change while they are read. Check the disk.")
    bias = torch.tensor(header["output_bias"], dtype=torch.float32)
    dictionary = Dictionary(
        layer,
        header["d_model"],
        header["d_sae"],
        name,
        records_path(identity),
        bias,
        header["subtracts_bias"],
        header["dtype"],
        header["hook"],
    )

    def mend(number: int) -> None:
        _pack_again(dictionary, sums[number], number, open_source, identity)

    return replace(dictionary, integrity=integrity.Integrity(records_path(identity), sums, mend))


def _record_sums(identity: Mapping[str, Any], header: dict[str, Any]) -> np.ndarray | None:
    """uint32 [d_sae, 2]: what the records were when they were packed; None where they are damaged and were put aside.

    Records of earlier versions have only checksums of blocks. They are compared with these once, and get their own.
    """
    path = records_path(identity)
    try:
        data = path.with_suffix(".sums").read_bytes()
        if zlib.crc32(data) == header.get("record_sums") and len(data) == 8 * header["d_sae"]:
            return np.frombuffer(data, integrity.DTYPE).reshape(-1, 2)
    except OSError:
        pass
    try:
        return _write_header(path, header)
    except (AssetError, ValueError):  # a block, or their number, is not what the header says
        put_aside(path)
        return None


def _pack_again(
    dictionary: Dictionary, expected: np.ndarray, number: int, open_source: Callable[[], SaeFile], identity: Any
) -> None:
    """Put damaged records aside and pack them anew from their source. Raises AssetError where that is not possible."""
    path = records_path(identity)
    damaged = f"The records of {identity['name']} are damaged at feature {number}"
    try:
        with _turn(path, NEVER):
            found = integrity.record_sums(dictionary.records()[number : number + 1])
            if not np.array_equal(found[0], expected):  # no other process has packed them meanwhile
                aside = put_aside(path)
                _log.warning("%s. They were put aside as %s and are packed again.", damaged, aside.name)
        pack(open_source, identity)
    except (HydrascopeError, OSError) as error:
        raise AssetError(f"{damaged} and were put aside, but cannot be packed again. {error}") from error


def _packed(
    source: SaeFile, identity: dict[str, Any], path: Path, share: Share, cancelled: Callable[[], bool]
) -> dict[str, Any]:
    header = {
        "version": VERSION,
        "source": identity,
        "d_model": source.d_model,
        "d_sae": source.d_sae,
        "dtype": source.dtype,
        "output_bias": source.output_bias.tolist(),
        "subtracts_bias": source.subtracts_bias,
        "hook": source.hook,
    }
    partial, sums = path.with_suffix(".partial"), path.with_suffix(".partial.json")
    done = _done(partial, sums, header)
    size = _record_size(header)
    with partial.open("r+b" if done else "wb") as file:
        file.truncate(min(len(done) * PACKED_AT_ONCE, source.d_sae) * size)
        file.seek(0, 2)
        for start in range(len(done) * PACKED_AT_ONCE, source.d_sae, PACKED_AT_ONCE):
            if cancelled():
                raise Cancelled("Packing was stopped. The finished part is kept, and packing continues from there.")
            share(start / source.d_sae)
            encoder, decoder, bias, threshold = source.block(start, start + PACKED_AT_ONCE)
            rows = torch.cat([encoder, decoder, bias[:, None], threshold[:, None]], dim=1)
            integrity.check_finite(rows, start, str(identity["name"]))
            data = rows.numpy().astype(source.dtype).tobytes()
            file.write(data)
            file.flush()
            done.append(zlib.crc32(data))
            sums.write_text(json_text({"header": header, "sums": done}))
    header["sums"] = done
    put_in_place(partial, path)
    sums.unlink(missing_ok=True)  # before the header: who finds that does not look for anything else
    _write_header(path, header)
    share(1.0)
    return header


def _write_header(path: Path, header: dict[str, Any]) -> np.ndarray:
    """Compare every block with its checksum, then write the checksums of records, and the header last.

    Returns the checksums, and notes in `header` what they are known by. Raises AssetError for a block that is not what
    was written.
    """
    shape = (-1, 2 * header["d_model"] + 2)
    blocks = (data for _, data in _good_blocks(path, header, str(header["source"]["name"])))
    found = [integrity.record_sums(np.frombuffer(data, header["dtype"]).reshape(shape)) for data in blocks]
    sums = np.concatenate(found)
    header["record_sums"] = zlib.crc32(sums.tobytes())
    header["digest"] = _digest(header)
    write_whole(path.with_suffix(".sums"), sums.tobytes())
    write_whole(path.with_suffix(".json"), json_text(header))
    return sums


def _digest(header: Mapping[str, Any]) -> str:
    """Of all that a header says, so that a changed one is noticed."""
    said = {name: value for name, value in header.items() if name != "digest"}
    return hashlib.sha256(json_text(said, sort_keys=True).encode()).hexdigest()


def _done(partial: Path, sums: Path, header: dict[str, Any]) -> list[int]:
    """The checksums of the blocks that an earlier try wrote whole; a block that is not what it was ends them."""
    try:
        kept = json_value(sums.read_text())
        if kept["header"] != header:
            return []
        pairs = zip(kept["sums"], _blocks(partial, header), strict=False)
        good: list[int] = []
        for expected, found in pairs:
            if expected != zlib.crc32(found):
                break
            good.append(expected)
        return good
    except (OSError, ValueError, KeyError, TypeError):
        return []


def check_records(identity: Mapping[str, Any]) -> int:
    """Read all records of a source and compare every block with its checksum; how many bytes were read.

    Raises AssetError when one is not what was written; the records are then put aside, so that they are packed again.
    """
    header, path = header_of(identity), records_path(identity)
    if header is None:
        raise AssetError("These records are not packed yet. Load the model once.")
    read = 0
    try:
        for _, found in _good_blocks(path, header, str(identity["name"])):
            read += len(found)
    except AssetError:
        put_aside(path)
        raise
    return read


def _good_blocks(path: Path, header: Mapping[str, Any], name: str) -> Iterator[tuple[int, bytes]]:
    """Every block with its number. Raises AssetError at the first that is not what was written."""
    for number, (expected, found) in enumerate(zip(header["sums"], _blocks(path, header), strict=True)):
        if expected != zlib.crc32(found):
            raise AssetError(
                f"The records of {name} are damaged from feature {number * PACKED_AT_ONCE} on and were put aside. "
                "Load the model to pack them again."
            )
        yield number, found


def _blocks(path: Path, header: Mapping[str, Any]) -> Iterator[bytes]:
    size, left = PACKED_AT_ONCE * _record_size(header), header["d_sae"] * _record_size(header)
    with path.open("rb") as file:
        while left > 0 and (data := file.read(min(size, left))):
            left -= len(data)
            yield data


def _record_size(header: Mapping[str, Any]) -> int:
    """Bytes of one record."""
    return np.dtype(header["dtype"]).itemsize * (2 * header["d_model"] + 2)


def _turn(path: Path, cancelled: Callable[[], bool]) -> AbstractContextManager[None]:
    """The right to pack these records."""
    return one_at_a_time(path.with_suffix(".lock"), "packing the same SAE", cancelled=cancelled)
