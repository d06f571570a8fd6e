"""Tables as CSV or TSV: the one way in which this program writes them.

Knows: which texts a spreadsheet would run instead of show. Does not know: what is in a table.

A text that begins with =, +, -, @, a tab or a line break is written with an apostrophe before it, by which spreadsheets
show it as text (OWASP, “CSV injection”). A text that begins so behind apostrophes of its own gets one more, so that
`unmarked` always gives back what was there. Numbers stay numbers.
"""

from __future__ import annotations

import csv
import re
from typing import Any

import pandas as pd

MARK = "'"
_WOULD_RUN = re.compile(r"'*[=+\-@\t\r\n]")
_MARKED = re.compile(r"'+[=+\-@\t\r\n]")


def csv_text(frame: pd.DataFrame, separator: str = ",") -> str:
    """The table without its index, lines ending in a line feed; texts in cells and in the header are `marked`."""
    safe = frame.rename(columns=marked).map(marked)
    # The csv module puts quotation marks around a line feed, but around a carriage return only if told to.
    returns = safe.map(lambda value: isinstance(value, str) and "\r" in value).any(axis=None)
    quoting = csv.QUOTE_NONNUMERIC if returns or any("\r" in str(name) for name in safe) else csv.QUOTE_MINIMAL
    return safe.to_csv(index=False, sep=separator, lineterminator="\n", quoting=quoting)


def marked(value: Any) -> Any:
    """A text that a spreadsheet would run, with an apostrophe before it; anything else as it is."""
    return MARK + value if isinstance(value, str) and _WOULD_RUN.match(value) else value


def unmarked(text: str) -> str:
    """What `marked` was given."""
    return text[1:] if _MARKED.match(text) else text
