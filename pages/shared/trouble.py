"""What a page does when something fails: a sentence, never a traceback.

A foreseen error shows its own sentence. Anything else is a bug of ours: its details go to the log under a short
reference, and the page shows the reference.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core import HydrascopeError
from pages.shared.text import plain

_log = logging.getLogger("hydrascope.pages")


@contextmanager
def shown_as_sentences(where: str) -> Iterator[None]:
    """Show what fails inside as one sentence. where: what was being done, for the log.

    Streamlit's own stop and rerun are no errors (they derive from BaseException) and pass through.
    """
    try:
        yield
    except HydrascopeError as error:
        show_error(error)
    except Exception:
        reference = secrets.token_hex(4)
        _log.exception("%s failed [%s]", where, reference)
        st.error(
            f"Something went wrong here. This is a bug in Hydrascope. The log has the details under {reference}. "
            "The rest of the page still works.",
            icon=":material/error:",
        )


def show_error(error: HydrascopeError) -> None:
    """Its sentence, as text."""
    st.error(plain(str(error)), icon=":material/error:")
