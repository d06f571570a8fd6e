"""Where a prompt is typed, and the example pairs beside it.

Knows: the box and the chips. Does not know: what becomes of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.shared.text import counted, plain
from pages.shared.workspace import session
from pages.shared.workspace.state import with_prompt

BOX, CHIPS = "prompt_box", "prompt_examples"
_AGAIN, _PAGE = "prompt_box_again", "prompt_examples_page"
_OTHERS = "…"
#: Pairs shown at once; the rest one click away.
PAIRS_SHOWN = 1


def box() -> None:
    """A line that grows; Enter sends, Shift+Enter starts a new line. The text stays, to be changed and sent again.

    The prompt is sent with every run, because the browser may skip what one run says when the next follows at once.
    The browser takes a text only when it differs from the last it was sent, so what someone is typing stays.
    """
    now = session.current()
    key = f"{BOX}_{st.session_state.get(_AGAIN, 0)}"
    st.session_state[key] = now.prompt
    with st.container(key=BOX):
        st.chat_input("Type a request and press Enter", key=key, on_submit=_submit, args=(key,))
    if now.earlier:
        st.caption(
            f"This prompt is the last message of a conversation, with {counted(len(now.earlier), 'turn')} before it."
        )


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
            return ":material/refresh: More pairs"
        return f"{':red[●]' if text in harmful else ':blue[●]'} {plain(text)}"

    with st.container(key="examples_row"):
        st.pills(
            "Try a pair",
            options,
            key=CHIPS,
            format_func=chip,
            on_change=_use_example,
            help=":red[●] is a harmful request, :blue[●] a harmless one in nearly the same words. No model or SAE of "
            "ours was trained on these pairs.",
        )


def _submit(key: str) -> None:
    before = session.current()
    session.change(with_prompt(before, st.session_state[key] or ""))
    if session.current().prompt == before.prompt:
        # The browser has emptied the box, and does not fill it twice with one text: only a new box takes it.
        st.session_state[_AGAIN] = st.session_state.get(_AGAIN, 0) + 1


def _use_example() -> None:
    chosen = st.session_state.get(CHIPS)
    st.session_state[CHIPS] = None
    if chosen == _OTHERS:
        st.session_state[_PAGE] = st.session_state.get(_PAGE, 0) + 1
    elif chosen:
        session.set_prompt(chosen)
