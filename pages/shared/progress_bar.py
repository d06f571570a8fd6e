"""A bar that follows work done while the page is drawn, and is gone when the work is.

Knows: the bar. Does not know: what the work is. Not for use inside a cached function, which may not draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.progress import Progress
from pages.shared.text import plain


@contextmanager
def progress_bar(message: str) -> Iterator[Progress]:
    """Progress for the work inside; `message` stands there until the work reports."""
    bar = st.progress(0.0, plain(message))

    def tell(message: str, share: float) -> None:
        bar.progress(min(max(share, 0.0), 1.0), plain(message))

    try:
        yield tell
    finally:
        bar.empty()
