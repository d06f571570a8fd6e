"""One answer with its verdict and first-token numbers, as a card.

Knows: how it looks. Does not know: who measured it.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.shared.text import escaped, plain, probability, signed
from pages.shared.verdicts import badge


def draw(
    place: Any, title: str, what: str, p: float, score: float, judged: str, answer: str, woke: int | None = None
) -> None:
    """The card, in `place`. what: the edits in words. woke: how many features woke, where that is shown."""
    with place.container(border=True, height="stretch"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{title}** :gray[{plain(what)}]", width="content")
            st.space("stretch")
            badge(judged)
        with st.container(horizontal=True, gap="medium"):
            st.metric("Refusal score", signed(score), width="content")
            st.metric("P(refusal)", probability(p), width="content")
            if woke is not None:
                st.metric("Woke", f"{woke:,}", width="content")
        if answer:
            st.html(f'<div class="hs-answer {judged}">{escaped(answer.strip())}</div>')
