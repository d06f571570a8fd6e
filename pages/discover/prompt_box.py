"""Where the harmful or the benign prompts come from: shipped ones, a public set, pasted text or a file.

Knows: the widgets of one side of the form, and how to say what is wrong with prompts. Does not know: settings, runs. A
public set is fetched when somebody presses the button, never before; its licence stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from cache.jobs import prompt_sets
from cache.jobs.queue import Job, shared_queue
from core import Engine, HydrascopeError
from core.prompts.checks import Report, check_prompts, prompts_digest
from core.prompts.files import ENDINGS, read_prompts
from core.prompts.public_sets import PromptList, page
from core.prompts.shipped import held_out_file
from core.prompts.sources import SOURCES, PartKind, PublicSet
from pages.shared.jobs import INSTANT, job_bar, watch
from pages.shared.kept import Kept
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error

_SHIPPED, _PUBLIC, _PASTE, _FILE = "Shipped", "Public set", "Paste", "File"
#: The prompts of a public set that each side of the form offers; look-alikes are benign, and hard to tell apart.
_KINDS: dict[str, tuple[PartKind, ...]] = {"harmful": ("harmful",), "benign": ("benign", "look-alike")}
#: Dropped rows that are listed.
_LISTED = 50


def box(engine: Engine, side: str, title: str, explanation: str) -> list[str]:
    """One side's prompts, without those that cannot be used. side: harmful or benign."""
    sources = [_SHIPPED, _PUBLIC, _PASTE, _FILE] if engine.spec.prompts else [_PUBLIC, _PASTE, _FILE]
    source = st.segmented_control(
        title, sources, default=sources[0], key=f"discover_{side}_source", required=True, help=explanation
    )
    read: dict[str, Callable[[], PromptList | None]] = {
        _SHIPPED: lambda: PromptList(tuple(held_out_file(engine.spec.prompts, engine.spec.name, side)), "shipped"),
        _PUBLIC: lambda: _public(side),
        _PASTE: lambda: _pasted(side),
        _FILE: lambda: _from_file(side),
    }
    try:
        found = read[str(source)]()
    except HydrascopeError as error:
        show_error(error)
        return []
    if found is None:
        return []
    report = _checked(engine, found.rows)
    _show_problems(side, found, report)
    if not report.kept:
        return []
    # The key carries the count: another list is another slider, and never one with a value out of its range.
    size = most = len(report.kept)
    if size > 1:
        most = st.slider(
            "How many",
            1,
            size,
            min(size, 60),
            key=f"discover_{side}_most_{size}",
            help="Taken from the top of the list.",
        )
    st.caption(f"{counted(size, 'prompt')}; the first is “{plain(report.kept[0], most=70)}”.")
    return list(report.kept[:most])


def _checked(engine: Engine, rows: tuple[str, ...]) -> Report:
    # Half of the context is left for the template and the answer.
    most = engine.context_length // 2
    return _check(rows, prompts_digest(rows), most, engine.spec.name, engine.tokenizer)


@st.cache_data(max_entries=16, show_spinner="Checking the prompts")
def _check(_rows: tuple[str, ...], digest: str, most_tokens: int, model: str, _tokenizer: Callable[..., Any]) -> Report:
    """Kept by the rows' digest: Streamlit would hash thirty thousand texts one by one at every click."""
    return check_prompts(_rows, most_tokens=most_tokens, count_tokens=lambda text: len(_tokenizer(text).input_ids))


def _show_problems(side: str, found: PromptList, report: Report) -> None:
    """Warnings, and what was dropped and why; nothing where all is well."""
    for sentence in (*found.warnings, *report.warnings):
        st.warning(plain(sentence), icon=":material/warning:")
    if report.dropped:
        with st.expander(plain(report.sentence()), icon=":material/filter_alt:", key=f"discover_{side}_dropped"):
            st.dataframe(
                [
                    {"row": one.row + 1, "reason": one.reason, "what": one.detail, "text": one.text[:200]}
                    for one in report.dropped[:_LISTED]
                ],
                hide_index=True,
                height="auto",
                key=f"discover_{side}_dropped_rows",
                alt="Prompts that were dropped",
            )
            if len(report.dropped) > _LISTED:
                st.caption(f"Showing the first {_LISTED} of {len(report.dropped):,}.")


def _pasted(side: str) -> PromptList | None:
    text = st.text_area(
        "One request a line",
        key=f"discover_{side}_text",
        height=110,
        label_visibility="collapsed",
        placeholder="One request a line",
    )
    # Blank lines between pasted requests are nobody's mistake, so they are not counted among the dropped.
    lines = tuple(line.strip() for line in (text or "").splitlines() if line.strip())
    return PromptList(lines, "pasted") if lines else None


def _from_file(side: str) -> PromptList | None:
    given = st.file_uploader(
        "A file with prompts", type=list(ENDINGS), key=f"discover_{side}_file", label_visibility="collapsed"
    )
    if given is None:
        return None
    found = read_prompts(given.getvalue(), given.name)
    column = found.suggested
    if len(found.columns) > 1:
        column = st.selectbox(
            "Column",
            found.columns,
            index=found.columns.index(found.suggested),
            key=f"discover_{side}_column_{abs(hash(found.columns))}",
        )
    return PromptList(tuple(found.rows(column)), given.name, (found.warning,) if found.warning else ())


def _public(side: str) -> PromptList | None:
    """A public set: chosen, its terms shown, fetched on request and then at hand for every visitor."""
    offered = {
        f"{source.title} ({kind})" if len(source.kinds) > 1 else source.title: (source, kind)
        for source in SOURCES
        for kind in source.kinds
        if kind in _KINDS[side]
    }
    name = st.selectbox("Set", list(offered), key=f"discover_{side}_set", label_visibility="collapsed")
    source, kind = offered[str(name)]
    st.caption(terms(source))
    found = _result(source, kind)
    if found is not None:
        st.caption(f"From {plain(found.origin)}.")
        return found
    st.button(
        f"Fetch {source.title}",
        key=f"discover_{side}_fetch",
        icon=":material/download:",
        disabled=_under_way(source, kind),
        on_click=_fetch,
        args=(source, kind),
        help="Downloads it from the model hub into your hub cache. If it is there already, it is only read.",
    )
    watch(
        lambda: _under_way(source, kind), lambda: _fetching(side, source, kind), f"discover_{side}_fetching", every=1.0
    )
    return None


def _fetch(source: PublicSet, kind: PartKind) -> None:
    queue = shared_queue()
    queue.wait(prompt_sets.start(queue, source, kind).id, INSTANT)


def _job(source: PublicSet, kind: PartKind) -> Job | None:
    return shared_queue().latest("download", prompt_sets.key_of(source, kind))


def _under_way(source: PublicSet, kind: PartKind) -> bool:
    job = _job(source, kind)
    return job is not None and job.under_way


def _fetching(side: str, source: PublicSet, kind: PartKind) -> None:
    """How far the download is, or why it ended without the set."""
    job = _job(source, kind)
    if job is None:
        return
    if job.under_way:
        job_bar(job, f"discover_{side}_stop", "What has arrived is kept.")
    elif job.state == "stopped":
        st.info(plain(job.message), icon=":material/stop_circle:")
    elif job.state == "failed":
        st.error(plain(job.error), icon=":material/error:")


def _result(source: PublicSet, kind: PartKind) -> PromptList | None:
    """The set, where it was fetched in this process."""
    key, job = (source.name, kind), _job(source, kind)
    if job is not None and isinstance(job.result, PromptList):
        _fetched().put(key, job.result)  # jobs are forgotten sooner
    found: PromptList | None = _fetched().get(key)
    return found


def terms(source: PublicSet) -> str:
    """What a set is, its licence, and whom to cite, as Markdown in which all of it is text."""
    return (
        f"{plain(source.note)} Licence: {plain(source.licence)}. Cite {plain(source.citation)}. "
        f"[Its page]({page(source)})"
    )


@st.cache_resource(show_spinner=False)
def _fetched() -> Kept:
    """Sets read in this process: (name, kind) → PromptList."""
    return Kept(most=8)
