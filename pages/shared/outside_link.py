"""A link that another site led here by: what it asks for, and nothing of it done before a click.

Knows: how a workspace is told in words. Does not know: where links come from (`pages.shared.links_seen`).
"""

from __future__ import annotations

import streamlit as st

from pages.shared.text import counted, plain
from pages.shared.workspace import session
from pages.shared.workspace.state import Workspace

#: Characters of the prompt, and edits, that are shown.
_LONGEST, _MOST = 2_000, 30


def draw() -> None:
    """What the link would do, and two buttons."""
    asked = session.current()
    st.subheader("A link from another site")
    st.markdown(
        "Another site, or a program, has led you here by a link with settings. Nothing has been computed. It asks for:"
    )
    for line in lines(asked):
        st.markdown(f"- {line}")
    if asked.prompt:
        st.caption("Prompt")
        st.code(asked.prompt[:_LONGEST], language=None, wrap_lines=True)
    with st.container(horizontal=True, gap="small"):
        st.button("Open the link", key="outside_open", type="primary", on_click=session.open_link)
        st.button("Leave it", key="outside_leave", on_click=session.leave_link)


def lines(asked: Workspace) -> list[str]:
    """What a link asks for, one thing a line, as Markdown in which all of it is text."""
    found = [f"{counted(len(asked.prompt), 'character')} of prompt, asked of the model"] if asked.prompt else []
    if asked.earlier:
        found.append(f"{counted(len(asked.earlier), 'earlier turn')} of a conversation")
    if asked.edits:
        more = f" and {len(asked.edits) - _MOST:,} more" if len(asked.edits) > _MOST else ""
        named = plain(", ".join(edit.word for edit in asked.edits[:_MOST]), most=600)
        found.append(f"{counted(len(asked.edits), 'edit')}: {named}{more}")
    if asked.pins:
        found.append(f"{counted(len(asked.pins), 'pinned set')} of edits")
    if asked.settings.clamp:
        found.append(f"a clamp on the BOS page: {plain(asked.settings.clamp, most=200)}")
    if asked.origin.model:
        found.append(f"all of it for the model {plain(asked.origin.model, most=60)}")
    return found or ["other settings of the pages"]
