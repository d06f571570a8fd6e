"""Self-repair: what later blocks put back of the refusal logit, and what becomes of it when they cannot.

Knows: one measurement, its control, and how both are laid out. Does not know: how they were measured.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core import Engine
from core.hydra import HeldParts, Repair
from core.hydra.repair_controls import DRAWS
from pages.hydra import repair_charts, state, work
from pages.shared.downloads import download
from pages.shared.number_table import with_true_minus
from pages.shared.text import counted, plain, signed
from pages.shared.workspace.session import Request

#: How many of the parts that raise the logit most are held.
CUT, USUAL_CUT = (1, 2, 4, 8), 4


def section(engine: Engine, key: str, request: Request) -> None:
    """The whole view. Raises InputError, AssetError."""
    strength = st.segmented_control(
        "Strength of the edits",
        work.REPAIR_STRENGTHS,
        default=1.0,
        key=state.REPAIR_STRENGTH,
        required=True,
        format_func=lambda value: f"{value:g}",
        help="1 is the edits as they are; 0.5 goes half the way.",
        persist_state="session",
    )
    with st.spinner("Measuring self-repair", show_time=True):
        repair = work.repair(engine, key, request.prompt, request.edits, float(strength))
    found = repair.found
    st.markdown(f"**{repair_charts.headline(found)}** {repair_charts.norm_sentence(found)}")
    with st.container(horizontal=True, gap="medium"):
        for name, value, said in (
            ("Direct effect", found.direct, "What the edit itself writes, with every block held at what it wrote."),
            ("Responses of the blocks", found.end - found.direct, "What the blocks write differently, all together."),
            ("Final norm", found.normalisation, "What the final norm’s own scale makes of it."),
            ("Total", found.total, "The true change of the refusal logit: the sum of the other three."),
        ):
            st.metric(name, signed(value), width="content", help=said)
    if found.lowest < engine.n_layers - 1:
        st.altair_chart(
            repair_charts.repair(found, repair.controls), key="hydra_repair", alt=repair_charts.summary(found)
        )
    st.markdown(repair_charts.control_sentence(repair))
    _explain(engine, repair)
    download(work.repair_frame(repair), "self-repair")
    if found.lowest < engine.n_layers - 1:
        _cut(engine, key, request, repair, float(strength))


def _explain(engine: Engine, repair: Repair) -> None:
    """What is measured, of what, against what, on how many prompts."""
    pieces = ", ".join(f"“{plain(piece)}”" for piece in engine.refusal_pieces)
    parts = "attention and MLP" if repair.found.split else "the block, whose parts do not add up to it in this model"
    st.caption(
        f"The refusal logit is the mean logit of {pieces} less the mean over all tokens, at the last token of this one "
        f"prompt (n = 1). All numbers are with the edits less without. Bars: what {parts} of each block write "
        "differently, with the final norm’s scale of the unedited run. Line: the edit’s direct effect and all blocks "
        "so far. Put back: how far the line rises from its lowest point to its end, as a share of the fall. "
        f"Control: the same edits of random features of the same layers, and random directions in the refusal "
        f"direction’s place, {DRAWS} draws; the band reaches from the lowest draw to the highest. The lowest point of "
        "any curve is followed by a rise, so a share means something only beside the control’s. After McGrath et al. "
        "2023."
    )


def _cut(engine: Engine, key: str, request: Request, repair: Repair, strength: float) -> None:
    """The parts that put back are held at what they wrote unedited, and others for comparison."""
    st.subheader("Cut the repairers", anchor=False)
    most = st.segmented_control(
        "Parts held",
        CUT,
        default=USUAL_CUT,
        key=state.REPAIR_PARTS,
        required=True,
        format_func=lambda number: counted(int(number), "part"),
        label_visibility="collapsed",
        persist_state="session",
    )
    parts = repair.found.restoring(int(most or USUAL_CUT))
    if not parts:
        st.caption("No attention or MLP above the edits raises the refusal logit, so there is nothing to hold.")
        return
    with st.spinner("Holding the parts", show_time=True):
        held = work.held(engine, key, request.prompt, request.edits, strength, tuple(parts))
    names = ", ".join(map(repair_charts.part_name, parts))
    st.markdown(
        f"The edits act while the {counted(len(parts), 'part')} that raise the refusal logit most ({names}) write at "
        "the last token what they wrote without edits."
    )
    held_table(held)
    st.caption(
        "Parts are chosen by the bars above, on this prompt. If the score with them held is well below the edits’ own, "
        "and below every draw of other parts, they were keeping the refusal up. Other parts: as many, drawn at random "
        f"from the blocks above the edits, mean of {counted(len(held.controls), 'draw')}." + rounding(engine.dtype)
    )
    download(held_frame(held), "cut-the-repairers")


def held_table(held: HeldParts) -> None:
    """The runs side by side: no edits, edits, edits with the parts held, and with other parts held."""
    frame = held_frame(held)
    shown = frame.drop(columns=["score_low", "score_high"]).assign(draws=[_spread(row) for row in frame.itertuples()])
    st.dataframe(
        with_true_minus(shown[["run", "p", "score", "draws", "change"]], {"score": "+.2f", "change": "+.2f"}),
        hide_index=True,
        key="hydra_held",
        alt="; ".join(f"{row.run}: score {signed(row.score)}" for row in frame.itertuples()),
        column_config={
            "p": st.column_config.NumberColumn("P(refusal token)", format="%.3f"),
            "score": st.column_config.NumberColumn("refusal score"),
            "draws": st.column_config.TextColumn("score, lowest to highest draw"),
            "change": st.column_config.NumberColumn(
                "change of the logit", help="Of the refusal logit, at the unedited final norm’s scale"
            ),
        },
    )


def rounding(dtype: str) -> str:
    """Why the same edits have another score in the cards; empty in float32."""
    if dtype == "float32":
        return ""
    return (
        f" This model runs in {dtype}, whose rounding depends on how many rows are computed together, so scores "
        "here differ a little from the cards’. Compare the rows of this table with one another."
    )


def _spread(row: Any) -> str:
    return f"{signed(row.score_low)} to {signed(row.score_high)}" if row.score_low == row.score_low else ""


def held_frame(held: HeldParts) -> pd.DataFrame:
    """One row a run: run, p, score, score_low, score_high, change; NaN where a row has no such number."""
    nothing = float("nan")
    rows = [
        ("no edits", held.p["unedited"], held.score["unedited"], nothing, nothing, 0.0),
        ("edits", held.p["edited"], held.score["edited"], nothing, nothing, held.change["edited"]),
        ("edits, repairers held", held.p["held"], held.score["held"], nothing, nothing, held.change["held"]),
    ]
    if held.controls:
        score = held.score_control
        p, change = float(held.p_control.mean()), float(held.change_control.mean())
        rows.append(("edits, other parts held", p, float(score.mean()), float(score.min()), float(score.max()), change))
    return pd.DataFrame(rows, columns=["run", "p", "score", "score_low", "score_high", "change"])
