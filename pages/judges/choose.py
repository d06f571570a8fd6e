"""Which judges are asked, what each takes before it loads, and the button that begins.

Knows: judges by name, what they need, whether they fit. Does not know: how they judge, or how judging is carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from cache.engines import get_engine, loaded_names, unload_all
from cache.jobs.judging import Asked, shared_judging
from cache.store.judgements import Judgements
from core import HydrascopeError
from core.hub.errors import size_text
from core.judges import ABOUT, Judge, find_judge, first_token_judge, judge_names
from core.models.footprint import Footprint
from core.models.registry import chosen_name
from pages.judges.source import Answers
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error

JUDGES, KEEP = "judges_judges", "judges_keep"
FIRST_TOKEN = "first-token"
#: Seconds the button waits, so that what is judged in an instant is there when the page is drawn.
_INSTANT = 0.8


@dataclass(frozen=True)
class _Looked:
    """What a judge needs, or the sentence why that cannot be said."""

    found: Footprint | None
    trouble: HydrascopeError | None


def section(answers: Answers, kept: Judgements) -> None:
    """Judges, what they take, and the button."""
    st.subheader("Who judges", anchor="judges")
    st.session_state.setdefault(JUDGES, ["substrings"])
    names = st.multiselect(
        "Judges",
        judge_names(),
        key=JUDGES,
        label_visibility="collapsed",
        placeholder="Choose at least one",
        persist_state="session",
    )
    with st.container(gap="xsmall", key="judges_needs"):
        ready = [_takes(name, answers) for name in names]
    standing = shared_judging().standing(answers.key)
    under_way = standing is not None and standing.under_way
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.button(
            f"Judge {counted(len(answers.pairs), 'answer')}",
            key="judges_start",
            type="primary",
            icon=":material/gavel:",
            disabled=under_way or not names or not all(ready),
            on_click=_start,
            args=(answers, list(names), kept),
        )
        st.toggle(
            "Keep the answers' text",
            key=KEEP,
            persist_state="session",
            help="Off, prompts and judgements are stored, and of an answer only its hash, by which it is found again.",
        )
        if any(name not in ("substrings", FIRST_TOKEN) for name in names):
            st.button(
                "Look again",
                key="judges_again",
                icon=":material/refresh:",
                type="tertiary",
                on_click=_asked.clear,
                help="Ask the hub anew: after accepting a licence, logging in, or freeing memory",
            )


def _takes(name: str, answers: Answers) -> bool:
    """One judge's line; returns whether it can begin."""
    st.markdown(f"**{plain(name)}** {plain(ABOUT[name])}")
    if name == FIRST_TOKEN:
        if answers.not_first_token:
            st.warning(plain(answers.not_first_token), icon=":material/warning:")
        else:
            st.caption(f"The model in use is {plain(chosen_name())}; it is loaded if it is not yet.")
        return not answers.not_first_token
    looked = _asked(name, shared_judging().over)
    if looked.found is None:
        assert looked.trouble is not None
        show_error(looked.trouble)
        return False
    if not looked.found.memory:
        return True
    stands = looked.found.at_present()
    icon = ":material/check_circle:" if stands.fits else ":material/warning:"
    coming = f"{size_text(looked.found.download)} to download" if looked.found.download else "All of it is here"
    gated = ", gated" if looked.found.gated else ""
    st.caption(f"{icon} {plain(f'{coming}{gated}. {stands.verdict}')}")
    locked = looked.found.needs_token and looked.found.download > 0  # what is here already needs no token
    if locked:
        st.warning(
            "Gated: accept the licence on its page on the hub, then log in with hf auth login, or set HF_TOKEN.",
            icon=":material/lock:",
        )
    elif not stands.fits and loaded_names():
        st.button(
            f"Let {plain(', '.join(loaded_names()))} go",
            key=f"judges_let_go_{name}",
            icon=":material/eject:",
            on_click=unload_all,
            help="The model in use gives its memory back, and is loaded again when a page needs it. "
            "A run of the search that is under way keeps it until it ends.",
        )
    return stands.fits and not locked


@st.cache_data(ttl=300, max_entries=32, show_spinner="Asking what the judge takes")
def _asked(name: str, jobs_over: int) -> _Looked:
    try:
        return _Looked(find_judge(name).footprint(), None)
    except HydrascopeError as error:
        return _Looked(None, error)


def _start(answers: Answers, names: list[str], kept: Judgements) -> None:
    asked = [Asked(name, partial(_made, name)) for name in names]
    shared_judging().start(answers.key, answers.title, answers.pairs, asked, kept, bool(st.session_state.get(KEEP)))
    shared_judging().wait(answers.key, _INSTANT)


def _made(name: str, progress: Callable[[str, float], None], cancelled: Callable[[], bool]) -> Judge:
    if name == FIRST_TOKEN:
        return first_token(get_engine(chosen_name(), progress, cancelled))
    return find_judge(name, progress=progress, cancelled=cancelled)
