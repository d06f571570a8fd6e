"""How large a Parquet table is in memory, before it is: what is counted, and that it takes no memory to count it."""

import io
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import InputError
from core.prompts.files import read_prompts
from core.prompts.unpacked import EACH, parquet_fits


def stored(table: pa.Table, **how) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **how)
    return buffer.getvalue()


def repeated(text: str, times: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, np.int8)), pa.array([text]))


def nested() -> pa.Table:
    said = pa.struct([("role", pa.string()), ("content", pa.large_string())])
    kinds = [("m", pa.list_(said)), ("p", pa.string()), ("b", pa.binary()), ("k", pa.map_(pa.string(), pa.string()))]
    rows = {
        "m": [[{"role": "user", "content": "é" * 50}, {"role": "a", "content": None}], None, []],
        "p": ["a" * 100, "a" * 100, None],
        "b": [b"1", b"2", b"3"],
        "k": [[("k", "v")]] * 3,
    }
    return pa.table(rows, schema=pa.schema(kinds))


@pytest.mark.parametrize("dictionary", [True, False])
def test_every_text_counts_as_often_as_it_stands_there(dictionary):
    data = stored(nested(), use_dictionary=dictionary)
    about = pq.ParquetFile(io.BytesIO(data)).metadata
    columns = [about.row_group(0).column(number) for number in range(about.num_columns)]
    texts = 4 + 100 + 1 + 200 + 3 + 6  # roles, contents in UTF-8, p, b, k
    known = max(EACH * sum(column.num_values for column in columns), about.row_group(0).total_byte_size)
    assert parquet_fits(data, known + texts) and not parquet_fits(data, known + texts - 1)


def test_a_table_without_texts_is_counted_by_its_values():
    data = stored(pa.table({"n": np.zeros(10_000, np.int64)}))
    assert len(data) < 5_000 and parquet_fits(data, EACH * 10_000) and not parquet_fits(data, EACH * 10_000 - 1)


def test_a_small_file_of_gigabytes_is_refused_before_it_is_unpacked():
    data = stored(pa.table({"prompt": repeated("x" * 1_000_000, 10_000)}), compression="zstd")
    assert len(data) < 100_000
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    with pytest.raises(InputError, match="unpacked"):
        read_prompts(data, "a.parquet")
    assert tracemalloc.get_traced_memory()[1] < 50 * 10**6
    tracemalloc.stop()
    assert pa.total_allocated_bytes() - before < 50 * 10**6
