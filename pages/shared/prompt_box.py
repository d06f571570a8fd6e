"""Where a prompt is typed, and the example pairs beside it.

Knows: the box, how long its text is, and the chips. Does not know: what becomes of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import Engine, HydrascopeError
from pages.shared import measurements
from pages.shared.text import counted, duration, plain
from pages.shared.workspace import session
from pages.shared.workspace.state import with_prompt

BOX, TOKENS, CHIPS = "prompt_box", "prompt_tokens", "prompt_examples"
_AGAIN, _PAGE = "prompt_box_again", "prompt_examples_page"
_OTHERS = "…"
#: Pairs shown at once; the rest one click away.
PAIRS_SHOWN = 1
#: From so many tokens on, what a measurement will take stands beside their number.
LONG = 1000


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


def length(engine: Engine, key: str) -> None:
    """How many tokens the prompt has; of a long one also what a measurement takes, where known.

    Nothing is run: the tokenizer counts. Nothing is said of a prompt that cannot be read; the page says why. It stands
    on the strip's upper border, where it takes no height.
    """
    try:
        tokens = len(measurements.tokens(engine, key, session.current().asked))
    except HydrascopeError:
        return
    said = counted(tokens, "token")
    if tokens >= LONG and (seconds := measurements.seconds_of(key, tokens)) is not None:
        said += f", about {duration(seconds)} a measurement"
    with st.container(key=TOKENS):
        st.caption(said)


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
