"""Where the harmful or the benign prompts come from: shipped ones, a public set, pasted text or a file.

Knows: the widgets of one side of the form, and how to say what is wrong with prompts. Does not know: settings, runs. A
public set is fetched when somebody presses the button, never before; its licence stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from cache.jobs import prompt_sets
from cache.jobs.queue import Job, shared_queue
from core import Engine, HydrascopeError
from core.prompts.categories import categories_of, shipped_category_of
from core.prompts.checked import Checked, check_list
from core.prompts.checks import Report, prompts_digest
from core.prompts.files import ENDINGS, ONE_PER_LINE, PromptFile, read_pasted, read_prompts
from core.prompts.public_sets import PromptList, page
from core.prompts.shipped import held_out_file
from core.prompts.sources import SOURCES, PartKind, PublicSet
from pages.discover import sizes
from pages.discover.sizes import Given
from pages.shared.jobs import INSTANT, job_bar, watch
from pages.shared.kept import Kept
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error
from pages.shared.uploads import uploaded

_SHIPPED, _PUBLIC, _PASTE, _FILE = "Shipped", "Public set", "Paste", "File"
#: The prompts of a public set that each side of the form offers; look-alikes are benign, and hard to tell apart.
_KINDS: dict[str, tuple[PartKind, ...]] = {"harmful": ("harmful",), "benign": ("benign", "look-alike")}
#: Dropped rows that are listed.
_LISTED = 50


@dataclass(frozen=True)
class _Read:
    """Rows as they stand, before they are checked. layout: how the text was taken apart, column: of a table, both empty
    where there was nothing to take apart. blank: lines without text, which are no rows. categories: of every row, or
    none. not_text: rows with another value (`PromptFile.not_text`)."""

    rows: Sequence[str]
    warnings: tuple[str, ...] = ()
    layout: str = ""
    column: str = ""
    blank: int = 0
    categories: Sequence[str] = ()
    not_text: Mapping[int, str] = field(default_factory=dict)


def box(engine: Engine, side: str, title: str, explanation: str) -> Given:
    """One side's prompts, without those that cannot be used. side: harmful or benign."""
    sources = [_SHIPPED, _PUBLIC, _PASTE, _FILE] if engine.spec.prompts else [_PUBLIC, _PASTE, _FILE]
    source = st.segmented_control(
        title,
        sources,
        default=sources[0],
        key=f"discover_{side}_source",
        required=True,
        help=explanation,
        persist_state="session",
    )
    read: dict[str, Callable[[], _Read | None]] = {
        _SHIPPED: lambda: _shipped(engine, side),
        _PUBLIC: lambda: _public(side),
        _PASTE: lambda: _pasted(side),
        _FILE: lambda: _from_file(side),
    }
    try:
        found = read[str(source)]()
    except HydrascopeError as error:
        show_error(error)
        return Given()
    if found is None:
        return Given()
    checked = _checked(engine, found)
    report = checked.report
    _show_problems(side, checked)
    if not report.kept:
        return Given()
    most = size = len(report.kept)
    if size > 1:
        key = sizes.prompts_key(side, size)
        st.session_state.setdefault(key, min(size, sizes.prompts_wanted()))
        most = st.slider(
            "How many", 1, size, key=key, help="The first prompts of the list are used.", persist_state="session"
        )
    st.caption(_understood(found, report))
    categories = checked.found.categories[:most]
    return Given(report.kept[:most], size, categories if any(categories) else ())


def _shipped(engine: Engine, side: str) -> _Read:
    texts = held_out_file(engine.spec.prompts, engine.spec.name, side)
    return _Read(texts, categories=categories_of(texts, shipped_category_of(engine.spec.prompts)))


def _understood(found: _Read, report: Report) -> str:
    """How many prompts were found and between which two, and how the text was taken apart."""
    first, last = (plain(text, most=70) for text in (report.kept[0], report.kept[-1]))
    said = f"{counted(len(report.kept), 'prompt')}; the first is “{first}”"
    said += f", the last is “{last}”." if len(report.kept) > 1 else "."
    if found.layout:
        said += f" Read as {plain(found.layout)}"
        said += f", column “{plain(found.column, most=40)}”." if found.column else "."
    return said + (f" {counted(found.blank, 'blank line')} left out." if found.blank else "")


def _checked(engine: Engine, found: _Read) -> Checked:
    digest = prompts_digest(found.rows, found.categories, found.warnings, list(map(str, found.not_text.items())))
    return _check(found, digest, engine.context_length, engine.spec.name, engine.tokenizer)


@st.cache_data(max_entries=16, show_spinner="Checking the prompts")
def _check(_found: _Read, digest: str, context_length: int, model: str, _tokenizer: Callable[..., Any]) -> Checked:
    """Kept by the rows' digest: Streamlit would hash thirty thousand texts one by one at every click."""
    rows, categories = tuple(_found.rows), tuple(_found.categories)
    read = PromptList(rows, "", _found.warnings, categories, not_text=_found.not_text)
    return check_list(read, _tokenizer, context_length)


def _show_problems(side: str, checked: Checked) -> None:
    """Warnings, and what was dropped and why; nothing where all is well."""
    report = checked.report
    for sentence in checked.warnings:
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
                alt="Dropped prompts",
            )
            if len(report.dropped) > _LISTED:
                st.caption(f"Showing the first {_LISTED} of {len(report.dropped):,}.")


def _pasted(side: str) -> _Read | None:
    text = st.text_area(
        "One request per line",
        key=f"discover_{side}_text",
        height=110,
        label_visibility="collapsed",
        placeholder="One request per line, or a table with a header, or JSON",
        help="Press Ctrl+Enter, or click outside the box, to read the text.",
        persist_state="session",
    )
    return _taken_apart(side, read_pasted(text)) if text and text.strip() else None


def _from_file(side: str) -> _Read | None:
    found = uploaded(f"{side.capitalize()} prompts", ENDINGS, f"discover_{side}_file", read_prompts)
    return None if found is None else _taken_apart(side, found)


def _taken_apart(side: str, found: PromptFile) -> _Read | None:
    """The rows of the column that holds the prompts; of several, the visitor's choice. None before they chose."""
    column: str | None = found.suggested
    if len(found.columns) > 1:
        column = st.selectbox(
            "Column",
            found.columns,
            index=found.columns.index(found.suggested) if found.sure else None,
            placeholder="Choose the column with the prompts",
            key=f"discover_{side}_column_{abs(hash(found.columns))}",
            persist_state="session",
        )
    if column is None:
        return None
    rows, blank, categories = found.rows(column), 0, found.categories()
    if found.layout == ONE_PER_LINE:  # such a list has no categories
        # Blank lines between requests are nobody's mistake, so they are not listed among the dropped.
        rows, blank = (kept := [row for row in rows if row.strip()]), len(rows) - len(kept)
        column = ""
    not_text = {} if found.layout == ONE_PER_LINE else found.not_text(column)
    return _Read(rows, found.warnings(column or None), found.read_as, column, blank, categories, not_text)


def _public(side: str) -> _Read | None:
    """A public set: chosen, its terms shown, fetched on request and then at hand for every visitor."""
    offered = {
        f"{source.title} ({kind})" if len(source.kinds) > 1 else source.title: (source, kind)
        for source in SOURCES
        for kind in source.kinds
        if kind in _KINDS[side]
    }
    name = st.selectbox(
        "Set", list(offered), key=f"discover_{side}_set", label_visibility="collapsed", persist_state="session"
    )
    source, kind = offered[str(name)]
    st.caption(terms(source))
    found = _result(source, kind)
    if found is not None:
        st.caption(f"From {plain(found.origin)}.")
        return _Read(found.rows, found.warnings, categories=found.categories)
    st.button(
        f"Fetch {source.title}",
        key=f"discover_{side}_fetch",
        icon=":material/download:",
        disabled=_under_way(source, kind),
        on_click=_fetch,
        args=(source, kind),
        help=(
            "Downloads the set from the model hub into your hub cache. If the set is already there, nothing is "
            "downloaded."
        ),
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
        job_bar(job, f"discover_{side}_stop", "The downloaded part is kept.")
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
        f"{plain(source.note)} Licence: {plain(source.licence)}. Cite {plain(source.citation)}. [Page on the "
        f"hub]({page(source)})"
    )


@st.cache_resource(show_spinner=False)
def _fetched() -> Kept:
    """Sets read in this process: (name, kind) → PromptList."""
    return Kept(most=8)
