"""Numbers in a table with a true minus sign, as everywhere else on the pages.

Pure. Knows: pandas' Styler, whose texts `st.dataframe` shows while it still sorts by the numbers. Does not know: pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
from pandas.io.formats.style import Styler


def with_true_minus(frame: pd.DataFrame, formats: Mapping[str, str]) -> Styler:
    """frame, the numbers of some columns written so. formats: column → a Python format, “+.2f” or “.1%”; columns that
    the frame lacks are passed over. A missing number is shown as nothing.
    """
    known = {column: _writer(form) for column, form in formats.items() if column in frame}
    return frame.style.format(known, na_rep="")


def _writer(form: str) -> Callable[[float], str]:
    def write(number: float) -> str:
        return format(number, form).replace("-", "\N{MINUS SIGN}")

    return write
