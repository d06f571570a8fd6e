"""Two judges compared on every answer that both have ever judged, without judging anything.

Knows: the store's judgements. Does not know: where the answers came from.
"""

from __future__ import annotations

import streamlit as st

from cache.store.judgements import Judgements
from core import InputError
from pages.judges import agreement
from pages.shared.text import plain

FIRST, SECOND = "judges_first", "judges_second"


def compare_stored(kept: Judgements) -> None:
    """Two boxes and the agreement of the two judges, folded; nothing until two have judged."""
    names = kept.judges()
    if len(names) < 2:
        return
    with st.expander("Agreement on all stored answers", icon=":material/inventory_2:", key="judges_all"):
        _compare(kept, names)


def _compare(kept: Judgements, names: tuple[str, ...]) -> None:
    st.caption(
        "All answers that both judges have judged here, from any run or file. For each judge, only its latest "
        "revision counts."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        first = str(st.selectbox("First judge", names, key=FIRST, persist_state="session"))
    others = [name for name in names if name != first]
    with right:
        if st.session_state.get(SECOND) not in others:
            st.session_state[SECOND] = others[0]
        second = str(st.selectbox("Second judge", others, key=SECOND, persist_state="session"))
    try:
        both = kept.both(first, second)
    except InputError as error:
        st.info(plain(str(error)), icon=":material/info:")
        return
    agreement.pairs(
        [agreement.Compared((first, second), both.first, both.second, both.prompts, both.answers)], "stored"
    )
