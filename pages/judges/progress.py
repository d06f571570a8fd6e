"""How judging stands: what is done, what waits, why it ended; and the button that stops it.

Knows: the process's jobs. Does not know: judges, results.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs.judging import Standing, shared_judging
from pages.shared.text import counted, plain


def section(key: str) -> None:
    """Every job under way, whoever asked for it, and how the last one on these answers ended."""
    for one in shared_judging().under_way():
        _under_way(one)
    last = shared_judging().standing(key)
    if last is not None and last.state == "stopped":
        st.info(f"{plain(last.note)} Press “Judge” to go on.", icon=":material/stop_circle:")
    elif last is not None and last.state == "failed":
        st.error(f"{plain(last.note)} What was judged is kept.", icon=":material/error:")


def _under_way(one: Standing) -> None:
    title = f"{plain(one.title, most=60)}, {counted(one.answers, 'answer')}"
    if one.state == "waiting":
        text = f"{title}: waits until what is judged now is done"
    else:
        which = f"{one.at + 1} of {len(one.judges)}, " if len(one.judges) > 1 else ""
        text = f"{title} · {which}{plain(one.judges[one.at])}: {plain(one.message)}"
    st.progress(one.share, text)
    st.button(
        "Stop",
        key=f"judges_stop_{one.key[:16]}",
        icon=":material/stop:",
        on_click=shared_judging().stop,
        args=(one.key,),
        help="Ends after the answers it is at; what is judged is kept. You can leave the page: "
        "judging goes on without you.",
    )
