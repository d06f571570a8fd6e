"""What was audited before: kept in the store, offered again in the sidebar.

Knows: the store and the sidebar's list. Does not know: measurements.
"""

from __future__ import annotations

import streamlit as st

from cache.store.audits import Audit, Audits
from cache.store.database import now, shared_store
from core import Engine, verdict
from pages.audit import state
from pages.audit.cards import LENGTH, LENGTHS, Finished
from pages.audit.state import Request
from pages.audit.work import Side
from pages.shared import links
from pages.shared.text import counted, plain

KEEP, SET_NAME = "audit_keep_answers", "audit_set_name"
_KEPT = "audit_last_kept"
RECENT = 8
_ICONS = {"refused": ":material/block:", "complied": ":material/chat_bubble:", "degenerate": ":material/repeat:"}


def keep(engine: Engine, request: Request, before: Side, after: Side, finished: Finished) -> None:
    """Append this audit, once for each thing that can be said of it."""
    texts = bool(st.session_state.get(KEEP))
    length = int(st.session_state.get(LENGTH) or LENGTHS[0])
    said = (engine.placement, request, finished.complete, finished.cost, length, texts)
    if st.session_state.get(_KEPT) == said:
        return
    st.session_state[_KEPT] = said
    device, _, rest = engine.placement.partition(", ")
    Audits(shared_store()).append(
        Audit(
            made_at=now(),
            model=engine.spec.name,
            revision=engine.spec.revision or "",
            dtype=rest.partition(":")[0],
            device=device,
            direction=engine.direction().key if engine.has_direction else "",
            prompt=request.prompt,
            edits=request.edits,
            score_before=before.score,
            score_after=after.score,
            p_before=before.probability,
            p_after=after.probability,
            kl=finished.cost.kl if finished.cost else None,
            kl_prompts=finished.cost.prompts if finished.cost else 0,
            verdict_before=verdict(finished.before) if finished.complete else "",
            verdict_after=verdict(finished.after) if finished.complete else "",
            tokens=length,
            answer_before=finished.before if texts and finished.complete else None,
            answer_after=finished.after if texts and finished.complete else None,
        )
    )


def sidebar(engine: Engine, request: Request) -> None:
    """The last audits but this one, to open again, and whether answers are kept."""
    store = shared_store()
    st.markdown("**Recent**")
    found = Audits(store).recent(engine.spec.name, RECENT + 1)
    rows = [row for row in found if (row.prompt, row.edits) != request][:RECENT]
    if not rows:
        st.caption("What you audit appears here.")
    with st.container(gap="xxsmall", key="recent"):
        for place, row in enumerate(rows):
            _row(place, row)
    st.toggle(
        "Keep answers",
        key=KEEP,
        persist_state="session",
        help="Off, the history holds prompts, edits and scores; on, the generated text too. All of it stays here.",
    )
    device, _, reason = engine.placement.partition(": ")
    st.caption(f"Model {plain(engine.spec.name)} on {plain(device)}", help=plain(reason))
    for sentence in (store.trouble, store.notice):
        if sentence:
            st.warning(plain(sentence), icon=":material/database_off:")


def saved_sets(engine: Engine, edits: str) -> None:
    """Name the active set and keep it, or take one that was kept."""
    store = Audits(shared_store())
    found = store.saved_sets(engine.spec.name)
    with st.popover(
        "Saved sets",
        type="tertiary",
        icon=":material/bookmark:",
        key="saved_sets",
        help="Name this set, or take one kept",
    ):
        st.text_input(
            "Name of this set", key=SET_NAME, max_chars=60, disabled=not edits, placeholder="top 10 but layer 12"
        )
        st.button(
            "Save the active set",
            key="save_set",
            icon=":material/bookmark_add:",
            disabled=not edits,
            on_click=_save,
            args=(store, engine.spec.name, edits),
            width="stretch",
        )
        for place, (name, text) in enumerate(found.items()):
            st.button(
                f"{plain(name)} :gray[{counted(len(links.words(text)), 'edit')}]",
                key=f"saved_{place}",
                type="tertiary",
                on_click=state.set_words,
                args=(links.words(text),),
            )


def _save(store: Audits, model: str, edits: str) -> None:
    name = (st.session_state.get(SET_NAME) or "").strip()
    if not name:
        state.say("A saved set needs a name; type one first.")
        return
    store.save_set(model, name[:60], edits)
    state.say(f"Saved as “{name[:60]}”.")


def _row(place: int, row: Audit) -> None:
    edits = counted(len(links.words(row.edits)), "edit") if row.edits else "no edit"
    icon = _ICONS.get(row.verdict_after, ":material/more_horiz:")
    st.button(
        f"{plain(row.prompt, most=24)} :gray[{edits}]",
        key=f"recent_{place}",
        type="tertiary",
        icon=icon,
        on_click=_reopen,
        args=(row.prompt, row.edits),
        help=f"{row.made_at:%d %b %H:%M} UTC · score {row.score_before:+.2f} → {row.score_after:+.2f}",
    )


def _reopen(prompt: str, edits: str) -> None:
    state.set_prompt(prompt)
    state.set_words(links.words(edits))
