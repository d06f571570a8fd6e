"""The strip that Audit, Hydra and BOS share: prompt, edits as chips, score, Undo, Redo, Pin, Link and Clear.

Everything in it is drawn from the workspace, and every click in it writes into the workspace.
Knows: the strip's widgets. Does not know: how anything is measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import Engine, Feature
from core.edits.overridden import overridden_sentence
from core.edits.text import Word
from core.labels.notes import Labels
from pages.shared import measurements, notice, prompt_box, saved_sets
from pages.shared.engine import engine_key
from pages.shared.feature_text import short
from pages.shared.measurements import Side
from pages.shared.text import counted, plain, signed
from pages.shared.workspace import session
from pages.shared.workspace.address import Link
from pages.shared.workspace.session import Request
from pages.shared.workspace.state import Workspace, with_pin, with_pinned_edits, with_switched, with_words, without_pin

#: Width of what one changes to width of what it does.
COLUMNS = (5, 8)
CHIPS, MORE = "edit_chips", "edit_chips_more"
#: Rows of chips; the others are a click away. Pixels of a row and of a chip, on a usual screen.
_ROWS, _ROW, _CHIP, _LETTER = 2, 800, 36, 6.4


@dataclass(frozen=True)
class Strip:
    """Slots that a page fills in: score and verdict beside the edits, note below them."""

    score: Any
    verdict: Any
    note: Any


def draw(engine: Engine) -> Strip:
    """Draw it, and put the workspace into the address bar."""
    now = session.current()
    link = session.write_address()
    with st.container(key="active_bar", gap="xsmall"):
        prompt_box.box()
        prompt_box.length(engine, engine_key(engine))
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="active_heading"):
            st.markdown(_heading(now), width="content")
            score, verdict = st.empty(), st.empty()
            st.space("stretch")
            with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
                _buttons(engine, now, link)
        if now.edits:
            _chips(now, measurements.labels(engine, engine.spec.name))
            if idle := overridden_sentence(session.request(engine).edits.items):
                st.caption(plain(idle))
        else:
            # As high as a row of chips, so that the first edit does not move the page under the pointer.
            with st.container(key="no_pills"):
                st.caption("Edits appear here: click one to switch it off or on.")
    note = st.empty()
    if link.too_long:
        st.info(link.too_long, icon=":material/link_off:")
    if sentence := notice.take():
        st.info(plain(sentence), icon=":material/info:")
    return Strip(score, verdict, note)


def columns() -> tuple[DeltaGenerator, DeltaGenerator]:
    """The two columns under the strip: what one changes, and what it does."""
    with st.container(key="workbench"):
        return st.columns(COLUMNS, gap="medium")


def show_score(strip: Strip, engine: Engine, key: str, request: Request, before: Side, after: Side) -> None:
    """Fill in the refusal score, before → after where there are edits, and where it is not about the answer's first
    token, why.
    """
    text = signed(before.score)
    if request.edits:
        text += f" → {signed(after.score)}"
    strip.score.markdown(
        f":gray[refusal score] **{text}**",
        width="content",
        help="Above 0, the model is about to refuse. Below 0, it is about to answer.",
    )
    if said := measurements.score_note(engine, key, request.prompt):
        strip.note.caption(f":material/psychology: {plain(said)}")


def _heading(now: Workspace) -> str:
    known, on = len(now.edits), len(now.words_on)
    if not known:
        return "**No edits yet**"
    return f"**{on} of {known} edits on**" if on < known else f"**{counted(known, 'edit')} on**"


def _buttons(engine: Engine, now: Workspace, link: Link) -> None:
    changes = session.history()
    st.button(
        "Undo",
        key="workspace_undo",
        icon=":material/undo:",
        type="tertiary",
        disabled=not changes.past,
        on_click=session.undo,
        help="Undo the last change to the prompt, the edits or the pinned sets",
    )
    st.button(
        "Redo",
        key="workspace_redo",
        icon=":material/redo:",
        type="tertiary",
        disabled=not changes.undone,
        on_click=session.redo,
        help="Redo the change you undid",
    )
    st.button(
        "Pin",
        key="workspace_pin",
        icon=":material/keep:",
        type="tertiary",
        disabled=not now.edits or now.edits in now.pins,
        on_click=_change,
        args=(with_pin,),
        help="Keep a copy of these edits, so that you can restore them later",
    )
    if now.pins:
        _pinned(now)
    saved_sets.popover(engine, now)
    _link(link)
    st.button(
        "Clear",
        key="workspace_clear",
        icon=":material/close:",
        type="tertiary",
        disabled=not now.edits,
        on_click=_change,
        args=(lambda workspace: with_words(workspace, ()),),
        help="Remove all edits. “Undo” restores them.",
    )


def _pinned(now: Workspace) -> None:
    """The sets kept aside: a click puts one back in place of the present edits."""
    with st.popover(f"Pinned {len(now.pins)}", type="tertiary", icon=":material/push_pin:", key="workspace_pins"):
        st.caption("Click a pinned set to restore it.")
        for number, pin in enumerate(now.pins):
            on = sum(edit.on for edit in pin)
            size = counted(len(pin), "edit") + (f", {on} on" if on < len(pin) else "")
            first = ", ".join(edit.word for edit in pin[:3]) + (" …" if len(pin) > 3 else "")
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.button(
                    f"{plain(first)} :gray[{size}]",
                    key=f"workspace_pin_{number}",
                    type="tertiary",
                    disabled=pin == now.edits,
                    on_click=_change,
                    args=(with_pinned_edits, number),
                    help="These are the edits now." if pin == now.edits else None,
                )
                st.button(
                    "Remove",
                    key=f"workspace_unpin_{number}",
                    type="tertiary",
                    icon=":material/close:",
                    on_click=_change,
                    args=(without_pin, number),
                )


def _link(link: Link) -> None:
    """The address of exactly this view, to copy."""
    with st.popover(
        "Link", type="tertiary", icon=":material/link:", key="workspace_link", help="Get a link to exactly this view"
    ):
        st.code(link.url(st.context.url or ""), language=None, wrap_lines=True)
        st.caption(
            link.too_long
            or "The link contains the prompt, edits, settings and pinned sets, as the address bar does. To open "
            "it, Hydrascope must be running at that address."
        )


def fitting(texts: Sequence[str]) -> int:
    """How many chips with these texts fill the rows there are. A browser breaks lines by itself, so this is a guess; on
    a narrow screen the rows scroll.
    """
    row, used = 1, 0.0
    for place, text in enumerate(texts):
        width = _CHIP + _LETTER * len(text)
        if used and used + width > _ROW:
            row, used = row + 1, 0.0
            if row > _ROWS:
                return place
        used += width
    return len(texts)


def _chips(now: Workspace, labels: Labels) -> None:
    """With their labels where all have room, else with their numbers; those without room in a popover."""
    labelled, numbers = _chip(labels), _chip(None)
    text = labelled if fitting([labelled(word) for word in now.words]) == len(now.words) else numbers
    shown = fitting([text(word) for word in now.words])
    with st.container(
        horizontal=True, vertical_alignment="bottom", gap="small", key="active_pills", horizontal_alignment="left"
    ):
        _pills(CHIPS, now, now.words[:shown], text)
        if rest := now.words[shown:]:
            on = len(set(rest) & set(now.words_on))
            with st.popover(f"… and {len(rest):,} more", type="tertiary", key="more_chips"):
                st.caption(f"{on:,} of these {counted(len(rest), 'edit')} on. Click one to switch it off or on.")
                with st.container(height=320, border=False):
                    _pills(MORE, now, rest, labelled)


def _pills(key: str, now: Workspace, words: Sequence[str], text: Callable[[str], str]) -> None:
    st.pills(
        "Edits: click one to switch it off or on",
        words,
        selection_mode="multi",
        key=session.show_chips(key, [word for word in now.words_on if word in words]),
        on_change=session.on_chips(key, with_switched),
        format_func=text,
        label_visibility="collapsed",
        width="stretch",
    )


def _chip(labels: Labels | None) -> Callable[[str], str]:
    def text(word: str) -> str:
        name = Word.parse(word).name
        shown = spaced(word)
        if name == "direction" or labels is None:
            return plain(shown)
        label = short(labels, Feature.parse(name))
        return plain(f"{shown} · {label}" if label else shown, most=34)

    return text


def spaced(word: str) -> str:
    """`12-40=6*0.5@bos?13-7>2` as a person reads it, and may write it: `core.edits.typed` reads it back."""
    for sign, words in (("=", " = "), ("*", " × "), ("@", " at "), ("?", " if "), (">", " > ")):
        word = word.replace(sign, words)
    return re.sub(r"^direction\b", "refusal direction", word)


def _change(changed: Callable[..., Workspace], *arguments: Any) -> None:
    session.change(changed(session.current(), *arguments))
