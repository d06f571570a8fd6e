"""The sidebar below the links, the same on every page: the model in use, the last audits, what is kept of them.

Knows: the store's list, the loaded engine if there is one. Does not know: any page, or how anything is measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from cache.engines import get_engine, is_loaded
from cache.store.audit_table import AS_LOADED, NOT_KNOWN, audit_table, files_of
from cache.store.audits import Audit, Audits
from cache.store.database import shared_store
from core.models.registry import chosen_name
from core.text.csv_text import csv_text
from pages.shared import sae_cards
from pages.shared.history import KEEPS, described
from pages.shared.text import counted, plain, signed
from pages.shared.workspace import session
from pages.shared.workspace.state import Workspace, split

KEEP = "audit_keep_answers"
RECENT = 8
#: Stands for the files of an audit of a model that is not loaded.
_NOT_LOADED = ""
#: Characters of a prompt that fit into a line.
_LINE = 28
#: Edits that a tooltip names, and characters of an earlier turn that it has.
_NAMED, _TOLD = 12, 80


def draw() -> bool:
    """All of it, from the workspace. Returns whether the visitor has just gone back to an earlier audit."""
    model, store = chosen_name(), Audits(shared_store())
    _model(model)
    st.markdown("**Recent**")
    digests = get_engine(model).runtime.digests if is_loaded(model) else None
    found, now = store.recent(model, RECENT + 1), session.current()
    known = [(row, _NOT_LOADED if digests is None else files_of(row, row.edits, digests)) for row in found]
    rows = [
        (row, files)
        for row, files in known
        if not (files in (AS_LOADED, NOT_KNOWN, _NOT_LOADED) and _is_shown(row, now, _thinks(model)))
    ][:RECENT]
    if not rows:
        st.caption("The prompts you audit appear here.")
    clicked = _recent(rows)
    if found:
        st.download_button(
            "All audits",
            lambda: csv_text(audit_table(store.all(model), digests)),
            "hydrascope-audits.csv",
            "text/csv",
            key="history_csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            help="Download every stored audit of this model as CSV: prompts, with the earlier turns of conversations, "
            "scores, verdicts, the KL on benign prompts with its 95% interval, the recovery of a reference answer "
            "with the NLLs behind it, and which files of the model and SAEs they are of.",
        )
    st.session_state[KEEP] = bool(st.session_state.get(KEEPS))
    st.toggle(
        "Keep answers",
        key=KEEP,
        on_change=_keeps,
        help="The history always keeps prompts, edits and scores. When this is on, it also keeps the answers. "
        "Everything stays on this machine.",
    )
    return clicked


def outcome(row: Audit) -> str:
    """What was done to the prompt and what came of it, short enough for a line: “3 edits · +8.8 → −2.8 · complied”.
    Before it, what makes this another request than the prompt by itself: “after 2 turns · thinking · …”."""
    words, turns = split(row.edits), len(row.earlier)
    score = signed(row.score_before, 1) + (f" → {signed(row.score_after, 1)}" if words else "")
    asked = f"after {counted(turns, 'turn')}" if turns else "", "thinking" if row.thinking else ""
    return " · ".join(filter(None, (*asked, _edits(words), score, row.verdict_after)))


def _thinks(model: str) -> bool | None:
    """Whether the model thinks first where the visitor has not said so; None where it cannot, or is not loaded."""
    return get_engine(model).runtime.template.thinking if is_loaded(model) else None


def _is_shown(row: Audit, now: Workspace, usual: bool | None) -> bool:
    """Whether the audit is of what the visitor is looking at. usual: whether the model thinks unless it is told."""
    thinks = usual if now.settings.thinking is None else now.settings.thinking
    return (
        (row.prompt, row.earlier) == (now.prompt, now.earlier)
        and set(split(row.edits)) == set(now.words_on)
        and (None in (row.thinking, thinks) or row.thinking == thinks)
    )


def _model(name: str) -> None:
    """Which model all pages are about; where it runs, once it is loaded."""
    if not is_loaded(name):
        st.caption(f"Model {plain(name)}")
        return
    engine = get_engine(name)
    device, _, reason = engine.placement.partition(": ")
    st.caption(
        f"Model {plain(name)} on {plain(device)}", help=plain(" ".join((f"{reason}.", sae_cards.line(engine.spec))))
    )


def _recent(rows: Sequence[tuple[Audit, str]]) -> bool:
    """The rows, those of the loaded files first, the others under what they are of. Returns whether one was clicked.
    rows: each with its files, as `files_of` has them."""
    told = [_told(files) for _, files in rows]
    clicked = []
    with st.container(gap="xxsmall", key="recent"):
        for sentence in sorted(set(told)):  # the empty one is first
            if sentence:
                st.caption(sentence)
            clicked += [_row(place, row) for place, (row, _) in enumerate(rows) if told[place] == sentence]
    return any(clicked)


def _told(files: str) -> str:
    """What stands above audits of these files; nothing above those of the files that are loaded."""
    return {
        AS_LOADED: "",
        NOT_KNOWN: "Files of model and SAEs were not kept:",
        _NOT_LOADED: "Whether the model still has the files that these are of is known when it is loaded:",
    }.get(files, f"With {files} under this model’s name:")


def _row(place: int, row: Audit) -> bool:
    words = split(row.edits)
    named = ", ".join(words[:_NAMED]) + (" …" if len(words) > _NAMED else "")
    after = f"after “{plain(row.earlier[-2].text, most=_TOLD)}”" if row.earlier else ""
    return st.button(
        f"{plain(row.prompt, most=_LINE)} :gray[{plain(outcome(row))}]",
        key=f"recent_{place}",
        type="tertiary",
        on_click=session.set_both,
        args=(row.asked, words, row.thinking),
        help=" · ".join(filter(None, (after, plain(named), described(row)))),
    )


def _edits(words: Sequence[str]) -> str:
    """One edit by its name if that is short, several by their number."""
    if not words:
        return "no edit"
    return words[0] if len(words) == 1 and len(words[0]) <= 10 else counted(len(words), "edit")


def _keeps() -> None:
    st.session_state[KEEPS] = bool(st.session_state[KEEP])
