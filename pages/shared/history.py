"""What was audited before: kept in the store, and in words.

Knows: the store. Does not know: how anything is measured, or the sidebar, which offers audits again.
"""

from __future__ import annotations

import math

import streamlit as st

from cache.store.audit_table import gap_of
from cache.store.audits import Audit, Audits, written_turns
from cache.store.database import now, shared_store
from core import Engine, HydrascopeError
from core.answers.fitted import with_people
from core.measures.recovery import Gap
from core.prompts.conversation import PromptLike
from core.prompts.references import Reference
from pages.shared import references
from pages.shared.cards import Finished
from pages.shared.measurements import Side
from pages.shared.text import counted, plain, signed
from pages.shared.verdicts import judge_of, verdicts
from pages.shared.workspace import session
from pages.shared.workspace.session import Request

#: Whether answers are kept too.
KEEPS = "history_keeps_answers"
_KEPT = "audit_last_kept"


def keep(engine: Engine, key: str, request: Request, before: Side, after: Side, finished: Finished) -> None:
    """Append this audit, once for each thing that can be said of it."""
    texts = bool(st.session_state.get(KEEPS))
    length = session.current().settings.answer_tokens
    cost = finished.cost
    # None instead of NaN: a value that is not equal to itself would be news in every run.
    low, high = (None, None) if cost is None or math.isnan(cost.low) else (cost.low, cost.high)
    kl = (None, 0, low, high) if cost is None else (cost.kl, cost.prompts, low, high)
    reference, gap = _recovery(engine, key, request)
    about = (key, request, finished.complete, kl, reference, length, texts)
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
            kl=kl[0],
            kl_prompts=kl[1],
            verdict_before=first,
            verdict_after=second,
            tokens=length,
            answer_before=str(finished.before) if texts and finished.complete else None,
            answer_after=str(finished.after) if texts and finished.complete else None,
            judge=judge.name if judge else "",
            judge_revision=judge.revision if judge else "",
            kappa=known.kappa if known else None,
            kappa_n=known.n if known else None,
            kl_low=low,
            kl_high=high,
            nll_unedited=gap.unedited if gap else None,
            nll_edited=gap.edited if gap else None,
            nll_reference=gap.reference if gap else None,
            nll_floor=gap.floor if gap else None,
            reference_by=references.writer(reference) if reference else "",
            turns=written_turns(request.prompt),
            thinking=engine.runtime.template.thinking,
            system=engine.runtime.template.system,
            weights=engine.runtime.digests.weights,
            sae_digests=engine.runtime.digests.sae_text,
        )
    )


def trouble() -> None:
    """What stands in the way of keeping anything, if something does."""
    store = shared_store()
    for sentence in (store.trouble, store.notice):
        if sentence:
            st.warning(plain(sentence), icon=":material/database_off:")


def described(row: Audit) -> str:
    """When an audit was made and what it measured, as Markdown. A KL from before its interval was kept is left out."""
    parts = [f"{row.made_at:%d %b %H:%M} UTC", f"score {signed(row.score_before)} → {signed(row.score_after)}"]
    if row.kl is not None and row.kl_low is not None:
        prompts = counted(row.kl_prompts, "benign prompt")
        parts.append(f"KL {row.kl:.3f} nats (95% CI {row.kl_low:.3f} to {row.kl_high:.3f}) over {prompts}")
    gap = gap_of(row)
    if gap is not None and row.edits:
        by = f"an answer by {plain(row.reference_by)}" if row.reference_by else "a reference answer"
        parts.append(
            f"recovery {references.percent(gap)} of {by} to this prompt, NLL {gap.unedited:.2f} → {gap.edited:.2f}"
        )
    return " · ".join(parts)


def _recovery(engine: Engine, key: str, request: Request) -> tuple[Reference, Gap] | tuple[None, None]:
    """The prompt's reference answer and how well it is predicted. Where it cannot be measured, the rest is kept; the
    Audit page says why beside it."""
    try:
        found = references.of(engine, request.prompt)
        return (None, None) if found is None else (found, references.gap(engine, key, found, request.edits))
    except HydrascopeError:
        return None, None


def _text(prompt: PromptLike) -> str:
    """What the user asks, without a conversation's earlier turns."""
    return prompt if isinstance(prompt, str) else prompt.text
