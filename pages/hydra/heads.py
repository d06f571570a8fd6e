"""Cut the heads: ablate, see what wakes, ablate that too, and again; a round is a step that can be played.

Knows: rounds and how they are shown, as they come. Does not know: how a round is made.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core import Engine
from core.hydra import Round
from pages.hydra import answer_card, charts, state, work
from pages.shared import references
from pages.shared.downloads import download
from pages.shared.judge_choice import choose_judge
from pages.shared.number_table import with_true_minus
from pages.shared.progress_bar import progress_bar
from pages.shared.text import counted, plain
from pages.shared.workspace import session
from pages.shared.workspace.session import Request
from pages.shared.workspace.state import words_of

_STARTED = "hydra_heads_started"
_ENDS = {
    "complied": "the model answers now.",
    "degenerate": "the answer degenerated.",
    "off-topic": "the answer is not about the request.",
    "undetermined": "the answer was cut off before anything can be said.",
    "nothing to add": "no more features woke.",
    "rounds spent": "the model still refuses after the last round.",
}
_KL = ("kl_low", "kl_high", "kl_prompts")
_RULES = {"all": "all woken features", "aligned": "only those towards refusal"}


def section(engine: Engine, key: str, request: Request) -> None:
    """The whole view. Raises InputError."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        rule = str(
            st.segmented_control(
                "Add",
                list(_RULES),
                default="all",
                key=state.RULE,
                required=True,
                format_func=_RULES.__getitem__,
                label_visibility="collapsed",
                help="The features that each round adds to the ablated ones: all woken features, or only those whose "
                "decoder row points towards the refusal direction.",
                persist_state="session",
            )
        )
        with st.popover("Judge", icon=":material/gavel:", key="hydra_judging"):
            judge = choose_judge(state.JUDGE)
        what = asked(engine, key, request, rule, judge)
        played = work.rounds().get(what) or ()
        going = st.session_state.get(_STARTED) == what
        ended = bool(played and played[-1].ended)
        if not ended and not going:
            st.button(
                "Continue" if played else "Cut the heads",
                key="hydra_cut",
                type="primary",
                icon=":material/content_cut:",
                on_click=start,
                args=(what,),
            )
    st.caption(
        "Each round ablates the features that woke in the previous round, strongest first. It ends when the model "
        "no longer refuses, or no feature wakes. The control does to as many random active features what the set does "
        "to its own; the refusal direction has no counterpart in it."
    )
    if played and not ended and not going:
        st.warning(
            f"Broken off after {counted(len(played), 'round')}: the model still refuses, and other features woke. "
            "Continue to see how it ends.",
            icon=":material/pause_circle:",
        )
    slot = st.empty()
    if played:
        _show(slot, played, live=going and not ended)
    if going and not ended:
        _play(engine, what, played, slot)


def asked(engine: Engine, key: str, request: Request, rule: str, judge: str) -> tuple:
    """All that the rounds depend on. Raises AssetError."""
    return key, request, rule, judge, references.of(engine, request.prompt)


def start(what: tuple) -> None:
    """Begin, from the next time the page is drawn."""
    st.session_state[_STARTED] = what


def _play(engine: Engine, what: tuple, played: tuple[Round, ...], slot: Any) -> None:
    """Round after round, shown as they come. Each round shown is a place where a click ends the run."""
    _, request, rule, judge, _ = what
    found: list[Round] = []
    with progress_bar(f"Cutting: round 1 of at most {work.ROUNDS}") as progress:
        for one in work.play(engine, request.prompt, request.edits, rule, judge):
            found.append(one)
            if len(found) > len(played):
                work.rounds().put(what, tuple(found))
                _show(slot, tuple(found), live=not one.ended)
            progress(f"Cutting: round {len(found) + 1} of at most {work.ROUNDS}", len(found) / work.ROUNDS)


def _show(slot: Any, played: tuple[Round, ...], live: bool = False) -> None:
    frame = rounds_frame(played)
    with slot.container():
        at = len(played) - 1
        if len(played) > 1 and not live:
            at = st.slider("Round", 1, len(played), len(played), key=f"{state.ROUND}_{len(played)}") - 1
        _round(played[at])
        if len(played) > 1 and not live:
            _charts(frame, played[at].number)
        st.dataframe(
            with_true_minus(
                frame[frame["series"] == charts.WOKEN].drop(columns="series"), {"score": "+.2f", "recovery": ".0%"}
            ),
            hide_index=True,
            alt=f"{len(played)} rounds",
            key=f"hydra_rounds_{len(played)}_{live}",
            column_config={
                "features": st.column_config.NumberColumn("features edited"),
                "p": st.column_config.NumberColumn("P(refusal token)", format="%.3f"),
                "score": st.column_config.NumberColumn("refusal score"),
                "kl": st.column_config.NumberColumn("KL, benign", format="%.3f"),
                "kl_low": st.column_config.NumberColumn("95% from", format="%.3f"),
                "kl_high": st.column_config.NumberColumn("to", format="%.3f"),
                "kl_prompts": st.column_config.NumberColumn("benign prompts", format="%d"),
                "recovery": st.column_config.NumberColumn(
                    "recovery",
                    help="The share of the way to the reference answer that the ablation brings the model, in NLL. One "
                    "prompt, so without an interval; empty without a reference answer (give one on the Audit page).",
                ),
            },
        )
        if not live:
            with st.container(horizontal=True, gap="small"):
                st.button(
                    "Use this set",
                    key=f"hydra_take_{len(played)}",
                    icon=":material/done_all:",
                    type="tertiary",
                    on_click=_take,
                    args=(played[at],),
                    help="Use this round’s features as the edits on every page",
                )
                download(frame, "heads")


def _round(one: Round) -> None:
    """One round: the set, the verdict and the answer, beside the control's."""
    left, right = st.columns(2, gap="small")
    answer_card.draw(left, "Heads cut", one.edits.describe(), one.p, one.score, one.verdict, one.answer, len(one.woken))
    if one.control_verdict is None:
        right.info(
            "There is no control: the set edits no feature, and the refusal direction has no random counterpart."
        )
    else:
        what = f"{counted(one.control_features, 'random feature')}: {one.control.describe()}"
        answer_card.draw(right, "Control", what, one.control_p, one.control_score, one.control_verdict, "")
    if one.ended:
        st.caption(f"Ended: {_ENDS.get(one.ended, plain(one.ended))}")


def _charts(frame: pd.DataFrame, at: int) -> None:
    for name, title in (("score", "refusal score"), ("features", "features edited"), ("kl", "KL, benign (nats)")):
        if frame[name].notna().any():
            mine = frame.loc[frame["series"] == charts.WOKEN, name]
            st.altair_chart(
                charts.rounds(frame, name, title, at),
                key=f"hydra_round_{name}_{len(frame)}",
                alt=f"{title} over {len(mine)} rounds: " + ", ".join(f"{value:.2f}" for value in mine),
            )


def rounds_frame(played: tuple[Round, ...]) -> pd.DataFrame:
    """Heads and, where there is one, control, a row each: round, series, features, added, woken, p, score, verdict, kl,
    kl_low, kl_high, kl_prompts, recovery."""
    rows: list[tuple[object, ...]] = []
    for one in played:
        rows.append(
            (
                one.number,
                charts.WOKEN,
                len(one.edits.features),
                len(one.added),
                len(one.woken),
                one.p,
                one.score,
                one.verdict,
                one.kl,
                *one.kl_interval,
                one.kl_prompts,
                one.recovery,
            )
        )
        if one.control_verdict is None:
            continue
        rows.append(
            (
                one.number,
                charts.CONTROL,
                one.control_features,
                None,
                None,
                one.control_p,
                one.control_score,
                one.control_verdict,
                one.control_kl,
                *one.control_kl_interval,
                one.kl_prompts,
                one.control_recovery,
            )
        )
    names = ["round", "series", "features", "added", "woken", "p", "score", "verdict", "kl", *_KL, "recovery"]
    return pd.DataFrame(rows, columns=names)


def _take(one: Round) -> None:
    session.set_words(words_of(one.edits))
