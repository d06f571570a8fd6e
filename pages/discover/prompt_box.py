"""Where one side's prompts come from: bundled, a public set, pasted or a file; and what is wrong with them.

Knows: the widgets of one side of the form. Does not know: settings, runs. A public set is fetched when somebody presses
the button, never before; its licence stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from cache.jobs.discover import bundled_prompts
from core import Engine, HydrascopeError
from core.errors import Cancelled
from core.prompts.checks import Report, check_prompts, prompts_digest
from core.prompts.files import ENDINGS, read_prompts
from core.prompts.public_sets import PromptList, fetch_set, page
from core.prompts.sources import SOURCES, PartKind, PublicSet
from pages.shared.engine import newer_request_waits
from pages.shared.kept import Kept
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error

_BUNDLED, _PUBLIC, _PASTE, _FILE = "Bundled", "Public set", "Paste", "File"
#: Which prompts of a public set fit a side of the form; look-alikes are benign, and the harder ones to tell.
_KINDS: dict[str, tuple[PartKind, ...]] = {"harmful": ("harmful",), "benign": ("benign", "look-alike")}
#: Dropped rows that are listed.
_LISTED = 50
_STOPPED = "discover_stopped"


def box(engine: Engine, side: str, title: str, explanation: str) -> list[str]:
    """One side's prompts, from wherever the visitor says, those that cannot be used left out. side: harmful, benign."""
    sources = [_BUNDLED, _PUBLIC, _PASTE, _FILE] if engine.spec.prompts else [_PUBLIC, _PASTE, _FILE]
    source = st.segmented_control(
        title, sources, default=sources[0], key=f"discover_{side}_source", required=True, help=explanation
    )
    read: dict[str, Callable[[], PromptList | None]] = {
        _BUNDLED: lambda: PromptList(tuple(bundled_prompts(engine, side)), "bundled"),
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
    _say(side, found, report)
    if not report.kept:
        return []
    # The key carries the count: another list is another slider, and never one with a value out of its range.
    size = most = len(report.kept)
    if size > 1:
        most = st.slider(
            "How many", 1, size, min(size, 60), key=f"discover_{side}_most_{size}", help="The first so many of the list"
        )
    st.caption(f"{counted(size, 'prompt')}; the first is “{plain(report.kept[0], most=70)}”.")
    return list(report.kept[:most])


def _checked(engine: Engine, rows: tuple[str, ...]) -> Report:
    # Half of the context is left for the template and the answer.
    most = engine.context_length // 2
    return _check(rows, prompts_digest(rows), most, engine.spec.name, engine.tokenizer)


@st.cache_data(max_entries=16, show_spinner="Checking the prompts")
def _check(_rows: tuple[str, ...], digest: str, most_tokens: int, model: str, _tokenizer: Callable) -> Report:
    """Kept by the rows' digest: Streamlit would hash thirty thousand texts one by one at every click."""
    return check_prompts(_rows, most_tokens=most_tokens, count_tokens=lambda text: len(_tokenizer(text).input_ids))


def _say(side: str, found: PromptList, report: Report) -> None:
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
                st.caption(f"The first {_LISTED} of {len(report.dropped):,}.")


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
        "A file of prompts", type=list(ENDINGS), key=f"discover_{side}_file", label_visibility="collapsed"
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
    found = _fetched().get((source.name, kind))
    if found is not None:
        st.caption(f"From {plain(found.origin)}.")
        return found
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        asked = st.button(
            f"Fetch {source.title}",
            key=f"discover_{side}_fetch",
            icon=":material/download:",
            help="From the model hub into your own hub cache, or from there when it was fetched before.",
        )
        place = st.empty()
    note = st.empty()
    if not asked:
        if st.session_state.pop(f"{_STOPPED}_{side}", None) == source.name:
            note.info(
                "Stopped. What had arrived is kept, and the next try goes on from there.", icon=":material/stop_circle:"
            )
        return None
    with place:
        st.button("Stop", key=f"discover_{side}_stop", icon=":material/stop:", on_click=_stop, args=(side, source.name))
    bar = note.progress(0.0, "Starting")
    try:
        found = fetch_set(
            source.name,
            kind,
            progress=lambda message, share: bar.progress(min(max(share, 0.0), 1.0), plain(message)),
            cancelled=newer_request_waits,
        )
    except Cancelled:
        return None
    finally:
        note.empty()
        place.empty()
    _fetched().put((source.name, kind), found)
    st.rerun()


def _stop(side: str, name: str) -> None:
    """The click itself ends the fetch, as any click does; this is what the page then says of it."""
    st.session_state[f"{_STOPPED}_{side}"] = name


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
