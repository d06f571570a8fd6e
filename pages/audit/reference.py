"""Recovery on the Audit page: how far the edits bring a reference answer back, and the place to give such an answer.

Knows: the slot in the card, and one expander. Does not know: how a likelihood is measured, or the rest of the page.
"""

from __future__ import annotations

from hashlib import sha256

import streamlit as st

from core import Engine, HydrascopeError
from core.measures.recovery import LEAST_GAP, Gap
from core.prompts.references import Reference, read_references
from pages.shared import notice, references
from pages.shared.cards import Card
from pages.shared.text import counted, escaped, plain
from pages.shared.trouble import show_error
from pages.shared.uploads import uploaded
from pages.shared.workspace.session import Request

TYPED, FILE = "reference_answer", "reference_file"
_HELP = (
    "How much of the way to a real answer the edits bring the model. NLL is how surprised the model is by each token "
    "of a reference answer to this prompt, in nats, on average (lower is better). 0%: as surprised as without edits. "
    "100%: as little as the model that wrote the answer. Below 0%: more surprised than before. No threshold and no "
    "judge is involved. This is one prompt, so there is no interval; Discover shows many."
)
_FLOOR = (
    " The NLL of this answer under whoever wrote it is not known. It is counted as 0, the least it can be, so the true "
    "recovery is further from 0%."
)


def section(engine: Engine, key: str, request: Request, card: Card) -> None:
    """Fill the card's slot where there is a reference answer, and offer to give one. Raises HydrascopeError."""
    reference = references.of(engine, request.prompt)
    gap = None if reference is None else references.gap(engine, key, reference, request.edits)
    if gap is not None and request.edits:
        _figure(card, gap)
    title = "Reference answer" if reference else "Reference answer: none for this prompt, so no recovery is shown"
    with st.expander(title, icon=":material/menu_book:", key="reference", on_change="rerun") as place:
        if place.open:
            _shown(request, reference, gap)
            _form(request)


def _figure(card: Card, gap: Gap) -> None:
    card.recovery.metric(
        "Recovery",
        references.percent(gap),
        f"NLL {gap.unedited:.2f} → {gap.edited:.2f}",
        delta_color="off",
        delta_arrow="off",
        help=_HELP + (_FLOOR if gap.floor else ""),
        width="content",
    )


def _shown(request: Request, reference: Reference | None, gap: Gap | None) -> None:
    if reference is None or gap is None:
        st.caption(
            "A reference answer is what a model that does not refuse would say to this prompt. With one, this page "
            "shows the recovery: how much closer the edits bring the model to that answer."
        )
        return
    st.html(f'<div class="hs-answer">{escaped(reference.answer)}</div>')
    theirs = "not known, counted as 0" if gap.floor else f"{gap.reference:.2f}"
    edited = f" → {gap.edited:.2f} with the edits" if request.edits else ""
    st.caption(
        f"NLL in nats per token: {gap.unedited:.2f} without edits{edited}; under the model that wrote it "
        f"({plain(reference.model or 'unknown')}): {theirs}. Recovery = (without edits − with edits) / (without edits "
        f"− its writer). If this gap is below {LEAST_GAP:g}, there is nothing to recover."
    )


def _form(request: Request) -> None:
    """Type or paste one for this prompt, or give a file for many."""
    if not isinstance(request.prompt, str):
        st.caption("A conversation of several turns cannot have a reference answer yet.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.text_area(
            "Your reference answer to this prompt",
            key=typed_key(request.prompt),
            height=100,
            max_chars=4000,
            persist_state="session",
        )
        with st.container(horizontal=True, gap="small"):
            st.button("Use it", key="reference_use", icon=":material/check:", on_click=_use, args=(request.prompt,))
            if request.prompt.strip() in references.given():
                st.button(
                    "Remove mine",
                    key="reference_remove",
                    icon=":material/close:",
                    type="tertiary",
                    on_click=references.remove,
                    args=(request.prompt,),
                )
    with right:
        try:
            found = uploaded(
                "A file for many prompts",
                ["jsonl"],
                FILE,
                read_references,
                help='One object per line: {"prompt": "…", "answer": "…"}. Add "nll" if you know the mean negative '
                "log-likelihood in nats per token under the model that wrote the answer.",
            )
        except HydrascopeError as error:
            show_error(error)
            return
        if found is not None:
            st.button(
                f"Use {counted(len(found), 'answer')}",
                key="reference_use_file",
                icon=":material/check:",
                on_click=references.add,
                args=(found,),
            )


def typed_key(prompt: str) -> str:
    """The key of what is typed for a prompt: it stays with it, whatever is looked at meanwhile."""
    return f"{TYPED}_{sha256(prompt.strip().encode('utf-8', 'replace')).hexdigest()[:16]}"


def _use(prompt: str) -> None:
    answer = (st.session_state.get(typed_key(prompt)) or "").strip()
    if not answer:
        notice.say("Type a reference answer first.")
        return
    references.add([Reference(prompt.strip(), answer, model=references.YOU)])
