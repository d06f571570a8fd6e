"""How large a Parquet table is in memory, found out before it is there.

Knows: pyarrow. Does not know: prompts. A text that stands in a million rows is in its file once, and the file says how
large it is with its texts numbered, so that 300 kB may become gigabytes.
"""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

#: Bytes in memory of a value that is no text, of a text's number, and of where it begins.
EACH = 16


def parquet_fits(data: bytes, most: int) -> bool:
    """Whether all texts of a table, and `EACH` of every value, have at most so many bytes. Texts are looked at as
    numbers into a list of texts, as they stand in the file. Raises what pyarrow raises for a file that is damaged."""
    about = pq.ParquetFile(io.BytesIO(data)).metadata
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    values = sum(group.column(column).num_values for group in groups for column in range(group.num_columns))
    known = max(EACH * values, sum(group.total_byte_size for group in groups))
    leaves = [about.schema.column(column) for column in range(about.num_columns)]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    for batch in pq.ParquetFile(io.BytesIO(data), read_dictionary=texts).iter_batches() if known <= most else ():
        known += sum(map(_text_bytes, batch.columns))
        if known > most:
            break
    return known <= most


def _text_bytes(array: pa.Array) -> int:
    """Bytes of the texts in an array, each as often as it stands there."""
    if pa.types.is_dictionary(array.type):
        return pc.sum(pc.binary_length(array.dictionary).take(array.indices)).as_py() or 0
    if pa.types.is_struct(array.type):
        return sum(map(_text_bytes, array.flatten()))
    if pa.types.is_map(array.type):
        return _text_bytes(array.keys) + _text_bytes(array.items)
    return _text_bytes(array.flatten()) if pa.types.is_nested(array.type) else 0
