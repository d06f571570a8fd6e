"""Where a prompt is typed, and the example pairs beside it.

Knows: the box, the chips, the link to send. Does not know: what becomes of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.audit import state
from pages.shared.links import LONGEST_LINK, Link
from pages.shared.text import plain

_CHIPS, _PAGE = "audit_examples", "audit_examples_page"
_OTHERS = "…"
#: Pairs shown at once; the rest one click away.
PAIRS_SHOWN = 2


def box() -> None:
    """A line that grows; Enter sends, Shift+Enter starts a new line. The text stays, to be changed and sent again."""
    st.chat_input("Type a request and press Enter", key=state.BOX, on_submit=_submit)


def examples(pairs: Sequence[tuple[str, str]]) -> None:
    """Chips of harmful requests and their harmless look-alikes."""
    if not pairs:
        return
    pages = -(-len(pairs) // PAIRS_SHOWN)
    first = PAIRS_SHOWN * (st.session_state.get(_PAGE, 0) % pages)
    shown = pairs[first : first + PAIRS_SHOWN]
    harmful = {pair[0] for pair in shown}
    options = [text for pair in shown for text in pair] + ([_OTHERS] if pages > 1 else [])

    def chip(text: str) -> str:
        if text == _OTHERS:
            return ":material/refresh: other pairs"
        return f"{':red[●]' if text in harmful else ':blue[●]'} {plain(text)}"

    with st.container(key="examples_row"):
        st.pills(
            "Try a pair: a harmful request and its harmless look-alike",
            options,
            key=_CHIPS,
            format_func=chip,
            on_change=_use_example,
            help="Pairs the model was never trained on: :red[●] a harmful request, :blue[●] a harmless one in nearly "
            "the same words.",
        )


def link_button(link: Link) -> None:
    """The address of exactly this view, to copy."""
    with st.popover(
        "Link",
        type="tertiary",
        icon=":material/link:",
        key="audit_link_popover",
        help="A link to this prompt and these edits",
    ):
        address = link.url(st.context.url or "")
        st.code(address, language=None, wrap_lines=True)
        if link.fits:
            st.caption(
                "Prompt and active edits, in the address bar too. Whoever opens it needs Hydrascope running there."
            )
        else:
            st.caption(
                f"These edits are too many for a link ({LONGEST_LINK:,} characters), so it carries the prompt only. "
                "Save the set under a name instead."
            )


def _submit() -> None:
    state.set_prompt(st.session_state[state.BOX] or "")


def _use_example() -> None:
    chosen = st.session_state.get(_CHIPS)
    st.session_state[_CHIPS] = None
    if chosen == _OTHERS:
        st.session_state[_PAGE] = st.session_state.get(_PAGE, 0) + 1
    elif chosen:
        state.set_prompt(chosen)
