"""Which judges to use, what each takes before it loads, and the button that starts judging.

Knows: judges by name, what they take, whether they fit. Does not know: how they judge, or how judging is carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from cache.engines import get_engine, loaded_names, unload_all
from cache.jobs import judging
from cache.jobs.judging import NamedMaker
from cache.jobs.queue import shared_queue
from cache.store.judgements import Judgements
from core import HydrascopeError
from core.answers.judge import Judge
from core.answers.names import WORDINGS
from core.judges.catalogue import find_judge
from core.judges.language_model import language_model_judges
from core.judges.names import FIRST_TOKEN, NEED_ENGINE, NEED_NOTHING, about, judge_names
from core.models.footprint import Footprint
from core.models.registry import chosen_name
from core.progress import Progress
from core.text.sizes import size_text
from pages.judges.source import Answers
from pages.shared.jobs import INSTANT
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error
from pages.shared.verdicts import agreement

JUDGES, KEEP = "judges_judges", "judges_keep"


@dataclass(frozen=True)
class _Looked:
    """What a judge takes, or the reason why nobody knows."""

    found: Footprint | None
    trouble: HydrascopeError | None


def choose_judges(answers: Answers, kept: Judgements) -> None:
    """The judges, what they take, and the button."""
    st.subheader("Choose judges", anchor="judges")
    st.session_state.setdefault(JUDGES, [WORDINGS])
    names = st.multiselect(
        "Judges",
        (*judge_names(), *language_model_judges()),
        key=JUDGES,
        label_visibility="collapsed",
        placeholder="Choose at least one",
        persist_state="session",
    )
    with st.container(gap="xsmall", key="judges_needs"):
        ready = [_takes(name, answers) for name in names]
    job = shared_queue().latest("judging", answers.key)
    under_way = job is not None and job.under_way
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.button(
            f"Judge {counted(len(answers.pairs), 'answer')}",
            key="judges_start",
            type="primary",
            icon=":material/gavel:",
            disabled=under_way or not names or not all(ready),
            on_click=_start,
            args=(answers, list(names), kept),
            help=_waits(under_way, bool(names), all(ready)),
        )
        st.toggle(
            "Keep the answers' text",
            key=KEEP,
            persist_state="session",
            help="When off, only prompts, judgements and a hash of each answer are stored. The hash is enough to "
            "recognise "
            "the answer later.",
        )
        if any(name not in (*NEED_NOTHING, *NEED_ENGINE) for name in names):
            st.button(
                "Check again",
                key="judges_again",
                icon=":material/refresh:",
                type="tertiary",
                on_click=_asked.clear,
                help="Query the model hub again, for example after you accepted a licence, logged in or freed memory.",
            )


def _takes(name: str, answers: Answers) -> bool:
    """One judge's line; returns whether it can begin."""
    st.markdown(f"**{plain(name)}** {plain(about(name))} {plain(agreement(name))}")
    if name in NEED_NOTHING:
        return True
    if name in NEED_ENGINE:
        if name == FIRST_TOKEN and answers.not_first_token:
            st.warning(plain(answers.not_first_token), icon=":material/warning:")
        else:
            st.caption(f"This judge uses the current model, {plain(chosen_name())}, and loads it if needed.")
        return name != FIRST_TOKEN or not answers.not_first_token
    looked = _asked(name, shared_queue().ended)
    if looked.found is None:
        assert looked.trouble is not None
        show_error(looked.trouble)
        return False
    if not looked.found.memory:
        return True
    stands = looked.found.at_present()
    icon = ":material/check_circle:" if stands.fits else ":material/warning:"
    coming = f"{size_text(looked.found.download)} to download" if looked.found.download else "Nothing to download"
    gated = ", gated" if looked.found.gated else ""
    st.caption(f"{icon} {plain(f'{coming}{gated}. {stands.verdict}')}")
    locked = looked.found.needs_token and looked.found.download > 0  # what is here already needs no token
    if locked:
        st.warning(
            "This model is gated. Accept the licence on its page on the hub, then log in with hf auth login, or set "
            "HF_TOKEN.",
            icon=":material/lock:",
        )
    elif not stands.fits and loaded_names():
        st.button(
            f"Unload {plain(', '.join(loaded_names()))}",
            key=f"judges_let_go_{name}",
            icon=":material/eject:",
            on_click=unload_all,
            help="Frees the memory of the current model. The model is loaded again when a page needs it. A running "
            "job keeps it until the job ends.",
        )
    return stands.fits and not locked


@st.cache_data(ttl=300, max_entries=32, show_spinner="Looking up what the judge needs")
def _asked(name: str, jobs_ended: int) -> _Looked:
    try:
        return _Looked(find_judge(name).footprint(), None)
    except HydrascopeError as error:
        return _Looked(None, error)


def _start(answers: Answers, names: list[str], kept: Judgements) -> None:
    queue, title = shared_queue(), f"{answers.title}, {counted(len(answers.pairs), 'answer')}"
    judges = [NamedMaker(name, partial(make_judge, name), loads=name not in NEED_NOTHING) for name in names]
    keep_answers = bool(st.session_state.get(KEEP))
    queue.wait(judging.start(queue, answers.key, title, answers.pairs, judges, kept, keep_answers).id, INSTANT)


def make_judge(name: str, progress: Progress, cancelled: Callable[[], bool]) -> Judge:
    """A judge by its name, with whatever it loads."""
    engine = get_engine(chosen_name(), progress, cancelled) if name in NEED_ENGINE else None
    return find_judge(name, progress=progress, cancelled=cancelled, engine=engine)


def _waits(under_way: bool, chosen: bool, ready: bool) -> str | None:
    """What the button waits for."""
    if under_way:
        return "These answers are being judged now."
    if not chosen:
        return "Choose at least one judge first."
    return None if ready else "Fetch the judges chosen above first."
