"""Whether a woken feature carries refusal or merely wakes, and what the strength of the ablation does.

Knows: two small tables and their charts. Does not know: how they were measured.
"""

from __future__ import annotations

import streamlit as st

from core import Engine, Feature
from core.hydra.groups import DRAWS
from pages.hydra import charts, work
from pages.shared.downloads import download
from pages.shared.number_table import with_true_minus
from pages.shared.progress_bar import progress_bar
from pages.shared.text import signed
from pages.shared.workspace import session
from pages.shared.workspace.session import Request

BY = "hydra_matter_by"
_NUMBERS = {
    "with_group": "score with the group ablated too",
    "difference": "difference",
    "control": "difference, random features, mean",
    "control_low": "lowest draw",
    "control_high": "highest draw",
    "group_alone": "score, only the group ablated",
}


def matters(engine: Engine, key: str, request: Request) -> None:
    """The view “Do they matter?”. Raises InputError."""
    by = st.segmented_control(
        "Groups",
        ["layer", "feature"],
        default="layer",
        key=BY,
        required=True,
        label_visibility="collapsed",
        format_func=lambda name: "by layer" if name == "layer" else f"one at a time, the strongest {work.ONE_BY_ONE}",
        persist_state="session",
    )
    with st.spinner("Ablating the woken features", show_time=True):
        frame = work.mattering(engine, key, request.prompt, request.edits, str(by))
    if frame.empty:
        st.caption("No feature woke, so there is nothing to test.")
        return
    st.markdown(
        "Bars show how the refusal score changes when the woken features are **ablated too**. Ticks show the mean "
        f"change when as many random active features are ablated instead, over {DRAWS} draws; the line through a tick "
        "reaches from the lowest draw to the highest. If a bar ends far to the left of that line, the woken features "
        "had taken over refusal. If a bar ends within it, they woke but did not matter."
    )
    st.altair_chart(
        charts.matters(frame),
        key="hydra_matters",
        alt="; ".join(f"{row.group}: {signed(row.difference)}" for row in frame.head(6).itertuples()),
    )
    st.dataframe(
        with_true_minus(frame, dict.fromkeys(_NUMBERS, "+.2f")),
        hide_index=True,
        key="hydra_matters_table",
        alt=f"{len(frame)} groups",
        column_config={"control_features": None, "score": None, **_NUMBERS},
    )
    download(frame, "do-they-matter")


def one(engine: Engine, key: str, request: Request, feature: Feature) -> None:
    """Whether one woken feature matters, in a sentence. Raises InputError."""
    with st.spinner(f"Ablating {feature} as well", show_time=True):
        row = work.mattering_one(engine, key, request.prompt, request.edits, feature)
    # The controls are scores; what they move it by is told.
    control, low, high = (row[name] - row["score"] for name in ("control", "control_low", "control_high"))
    within = low <= row["difference"] <= high
    st.markdown(
        f"**{feature}**: ablating it as well moves the refusal score from {signed(row['score'])} to "
        f"{signed(row['with_group'])} (**{signed(row['difference'])}**). A random active feature in its place moves it "
        f"by {signed(control)} on average, {signed(low)} to {signed(high)} over "
        f"{DRAWS} draws. "
        + (
            "So it woke, and **does not matter more than any other**."
            if within
            else "That is **more than any draw**: it helps to keep the refusal up."
            if row["difference"] < low
            else "That is above every draw: it does not keep the refusal up."
        )
    )
    st.button(
        f"Add {feature} to the edits",
        key="hydra_one_add",
        icon=":material/add:",
        on_click=session.add_words,
        args=((str(feature),),),
    )


def dose(engine: Engine, key: str, request: Request) -> None:
    """The view “Dose”. Raises InputError."""
    with progress_bar("Measuring at every strength") as progress:
        frame = work.doses(engine, key, request.prompt, request.edits, progress)
    st.markdown(
        "The same edits at different strengths. 0 is no edit, and 1 is the edits as they are (dotted line). Above 1, "
        "whatever they do is done more strongly: a feature that is ablated fully is pushed below zero."
    )
    for name, title in (("score", "refusal score"), ("woken", "features woken"), ("kl", "KL, benign (nats)")):
        if frame[name].notna().any():
            first, last = frame[name].iloc[0], frame[name].iloc[-1]
            st.altair_chart(
                charts.dose(frame, name, title),
                key=f"hydra_dose_{name}",
                alt=f"{title} from {first:.2f} at strength 0 to {last:.2f} at {frame['strength'].iloc[-1]:g}",
            )
    download(frame, "dose")
