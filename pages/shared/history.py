"""What was audited before: kept in the store, offered again in the sidebar.

Knows: the store and the sidebar's list. Does not know: measurements.
"""

from __future__ import annotations

import streamlit as st

from cache.store.audits import Audit, Audits
from cache.store.database import now, shared_store
from core import Engine
from core.answers.fitted import with_people
from core.prompts.conversation import PromptLike
from pages.shared import sae_cards
from pages.shared.cards import Finished
from pages.shared.measurements import Side
from pages.shared.text import counted, plain
from pages.shared.verdicts import icon_of, judge_of, verdicts
from pages.shared.workspace import session
from pages.shared.workspace.session import Request
from pages.shared.workspace.state import Workspace, split

KEEP, SET_NAME = "audit_keep_answers", "audit_set_name"
_KEEPS, _KEPT = "history_keeps_answers", "audit_last_kept"
RECENT = 8


def keep(engine: Engine, key: str, request: Request, before: Side, after: Side, finished: Finished) -> None:
    """Append this audit, once for each thing that can be said of it."""
    texts = bool(st.session_state.get(_KEEPS))
    length = session.current().settings.answer_tokens
    about = (engine.placement, request, finished.complete, finished.cost, length, texts)
    if st.session_state.get(_KEPT) == about:
        return
    st.session_state[_KEPT] = about
    first, second = "", ""
    judge = judge_of(engine) if finished.complete else None
    if judge is not None:
        said = (finished.before, finished.after)
        first, second = map(str, verdicts(engine, key, [(request.prompt, answer) for answer in said]))
    known = with_people(judge.name, judge.revision) if judge else None
    device, _, rest = engine.placement.partition(", ")
    Audits(shared_store()).append(
        Audit(
            made_at=now(),
            model=engine.spec.name,
            revision=engine.spec.revision or "",
            dtype=rest.partition(":")[0],
            device=device,
            direction=engine.direction().key if engine.has_direction else "",
            prompt=_text(request.prompt),
            edits=request.edits.to_text(),
            score_before=before.score,
            score_after=after.score,
            p_before=before.probability,
            p_after=after.probability,
            kl=finished.cost.kl if finished.cost else None,
            kl_prompts=finished.cost.prompts if finished.cost else 0,
            verdict_before=first,
            verdict_after=second,
            tokens=length,
            answer_before=str(finished.before) if texts and finished.complete else None,
            answer_after=str(finished.after) if texts and finished.complete else None,
            judge=judge.name if judge else "",
            judge_revision=judge.revision if judge else "",
            kappa=known.kappa if known else None,
            kappa_n=known.n if known else None,
        )
    )


def sidebar(engine: Engine, request: Request) -> None:
    """The last audits but this one, to open again, and whether answers are kept."""
    store = shared_store()
    st.markdown("**Recent**")
    found = Audits(store).recent(engine.spec.name, RECENT + 1)
    here = (_text(request.prompt), request.edits.to_text())
    rows = [row for row in found if (row.prompt, row.edits) != here][:RECENT]
    if not rows:
        st.caption("The prompts you audit appear here.")
    with st.container(gap="xxsmall", key="recent"):
        for place, row in enumerate(rows):
            _row(place, row)
    st.session_state[KEEP] = bool(st.session_state.get(_KEEPS))
    st.toggle(
        "Keep answers",
        key=KEEP,
        on_change=_keeps,
        help="The history always keeps prompts, edits and scores. When this is on, it also keeps the answers. "
        "Everything stays on this machine.",
    )
    device, _, reason = engine.placement.partition(": ")
    st.caption(
        f"Model {plain(engine.spec.name)} on {plain(device)}",
        help=plain(" ".join((f"{reason}.", sae_cards.line(engine.spec)))),
    )
    for sentence in (store.trouble, store.notice):
        if sentence:
            st.warning(plain(sentence), icon=":material/database_off:")


def saved_sets(engine: Engine, now: Workspace) -> None:
    """Name the edits that are on and keep them, or take a set that was kept."""
    store = Audits(shared_store())
    found = store.saved_sets(engine.spec.name)
    with st.popover(
        "Saved sets",
        type="tertiary",
        icon=":material/bookmark:",
        key="saved_sets",
        help="Save these edits under a name, or load a saved set",
    ):
        none = not now.words_on
        st.text_input(
            "Name for this set", key=SET_NAME, max_chars=60, disabled=none, placeholder="top 10 without layer 12"
        )
        st.button(
            "Save the edits that are on",
            key="save_set",
            icon=":material/bookmark_add:",
            disabled=none,
            on_click=_save,
            args=(store, engine.spec.name, ",".join(now.words_on)),
            width="stretch",
        )
        for place, (name, text) in enumerate(found.items()):
            st.button(
                f"{plain(name)} :gray[{counted(len(split(text)), 'edit')}]",
                key=f"saved_{place}",
                type="tertiary",
                on_click=session.set_words,
                args=(split(text),),
            )


def _save(store: Audits, model: str, edits: str) -> None:
    name = (st.session_state.get(SET_NAME) or "").strip()
    if not name:
        session.say("Type a name for the set first.")
        return
    store.save_set(model, name[:60], edits)
    session.say(f"Saved as “{name[:60]}”.")


def _row(place: int, row: Audit) -> None:
    edits = counted(len(split(row.edits)), "edit") if row.edits else "no edit"
    icon = icon_of(row.verdict_after)
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
    session.set_both(prompt, split(edits))


def _keeps() -> None:
    st.session_state[_KEEPS] = bool(st.session_state[KEEP])


def _text(prompt: PromptLike) -> str:
    """What the user asks, without a conversation's earlier turns."""
    return prompt if isinstance(prompt, str) else prompt.text
