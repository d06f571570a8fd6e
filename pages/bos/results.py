"""What an evaluation came to: one plain statement, a table, and rates with their intervals.

Knows: evaluations in the store and how they are drawn. Does not know: how one is carried out.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs import defence as evaluations
from cache.jobs.queue import shared_queue
from cache.store.defences import Defence, Defences
from cache.store.provenance import changed_files, unchecked
from core import Engine
from core.defence import clamp_name, conclusion, long_table, table
from core.defence.summary import Gaps, Outcomes
from core.statistics import CLAMPS
from pages.bos import charts, state
from pages.shared.downloads import download
from pages.shared.text import counted, plain

_RECOVERY = (
    " “Recovery” is the share of the way to the reference answers that attack and clamp bring the model, in NLL, over "
    "the prompts with a reference answer, with a 95% interval over prompts (bootstrap; of fewer than 20 prompts "
    "Student’s t)."
)


def section(engine: Engine, defences: Defences) -> None:
    """The evaluation chosen, and the list of all of them. Raises InputError."""
    known = {one.defence: one for one in defences.all(engine.spec.name)}
    if not known:
        st.caption("Finished evaluations appear here.")
        return
    state.take_shown()
    if st.session_state.get(state.SHOWN) not in known:
        st.session_state[state.SHOWN] = next(iter(known))
    chosen = st.selectbox(
        "Evaluation", list(known), key=state.SHOWN, format_func=lambda name: _name(known[name]), persist_state="session"
    )
    one = known[chosen]
    _other_files(one, engine)
    found = defences.found(chosen)
    job = evaluations.job_of(shared_queue(), chosen)
    running = job is not None and job.under_way
    left = len(one.asked.places) - len(found)
    if left and not running:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(
                f"Stopped with {left} of {counted(len(one.asked.places), 'cell')} not done yet.", width="content"
            )
            st.button(
                "Continue",
                key=f"bos_go_on_{chosen}",
                icon=":material/resume:",
                on_click=_go_on,
                args=(engine, defences, chosen),
            )
    if found and not running:
        gaps = defences.gaps(chosen)
        figures(one, found, gaps)
        download(long_table(one.asked.values, found, gaps).assign(**facts(one)), f"defence-{chosen}")
    _about(one)


def figures(one: Defence, found: Outcomes, gaps: Gaps) -> None:
    """The statement, the table and the charts, of as much as there is."""
    if not found:
        return
    asked = one.asked
    st.markdown(f"**Result.** {plain(conclusion(asked.values, found, asked.positions))}")
    frame = table(asked.values, found, gaps)
    st.dataframe(frame, hide_index=True, alt=f"Refusals by value: {counted(len(frame), 'row')}")
    long = long_table(asked.values, found)
    clamps = [clamp_name(value) for value in asked.values]
    for column, verdict in zip(st.columns(2, gap="medium"), ("refused", "degenerate"), strict=True):
        with column:
            st.markdown(f"**{verdict.capitalize()}**")
            st.altair_chart(charts.rates(long, verdict, clamps), alt=charts.rates_summary(long, verdict))
    st.caption(
        "Counts with 95% Wilson intervals. “Change” counts the prompts that the model refuses only with the clamp "
        "(+) or only without it (−), with McNemar’s exact p and, after it, p corrected by Holm’s method within the "
        f"family “{CLAMPS.name}”: {CLAMPS.tests}. “Off-topic”, “degenerate” and “undetermined” count attacked, benign "
        f"and look-alike prompts; none of them counts as answered. Judged by {plain(one.judge.name)}; "
        f"{plain(one.judge.agreement)}." + (_RECOVERY if gaps else "")
    )


def _name(one: Defence) -> str:
    """An evaluation in a list. Nothing that changes: a browser sends a choice back as its text."""
    return f"{one.made_at:%d %b %H:%M:%S} · {one.asked.attack} · {counted(len(one.asked.features), 'feature')}"


def facts(one: Defence) -> dict[str, str]:
    """What stands with the numbers of an evaluation, and with every row of its file."""
    asked = one.asked
    return {
        "attack": asked.attack + (f" ({asked.base})" if asked.base and len(asked.base) < 200 else ""),
        "features": ", ".join(map(str, asked.features)),
        "clamped to": ", ".join(map(clamp_name, asked.values)),
        "where": asked.positions if asked.when is None else f"{asked.positions}, only where {asked.when}",
        "prompts": ", ".join(f"{len(texts)} {group}" for group, texts in asked.prompts.items()),
        "answer": f"{asked.tokens} tokens at most",
        "judge": str(one.judge),
        "model": f"{one.model} {one.revision}, {one.dtype} on {one.device}",
        "SAEs": one.saes,
        "digest of the model": one.weights or "not kept",
        "digests of the SAEs": one.sae_digests or "not kept",
        "direction": one.direction or "none",
        "begun": f"{one.made_at:%Y-%m-%d %H:%M} UTC, {one.defence}",
    }


def _about(one: Defence) -> None:
    with st.expander("Where these numbers come from", icon=":material/fingerprint:"):
        st.markdown("  \n".join(f"**{name}** {plain(value)}" for name, value in facts(one).items()))


def _other_files(one: Defence, engine: Engine) -> None:
    """Said where the evaluation is of other files than those that are loaded under the model's name."""
    if changed := changed_files(one, engine.runtime.digests):
        st.warning(
            f"This evaluation was made with other {changed} under this model’s name: the files were replaced since. "
            "Its numbers are of those, and not of what is loaded now.",
            icon=":material/warning:",
        )
    elif unknown := unchecked("This evaluation", one):
        st.caption(unknown)


def _go_on(engine: Engine, defences: Defences, defence: str) -> None:
    evaluations.start(shared_queue(), defences, state.show(defence), engine)
