"""Which features are clamped: what wakes at BOS, those of the edits, a run's redundant ones, or by hand.

Knows: the widgets of the choice, and natural ranges beside it. Does not know: how anything is clamped.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from cache.store.database import shared_store
from cache.store.runs import Runs
from core import Engine, Feature, InputError
from core.edits.feature_sets import features_of, top_per_layer
from core.edits.text import read_features
from core.edits.typed import from_neuronpedia
from pages.bos import state, work
from pages.shared import measurements, notice
from pages.shared.downloads import download
from pages.shared.feature_text import about, short
from pages.shared.runs import run_name
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error
from pages.shared.workspace import session
from pages.shared.workspace.session import Request

NEAREST, WAKES, ACTIVE, RUN, HAND = "Nearest", "Woken", "Edits", "Run", "Typed"
SOURCE, RANK, MOST, TYPED, RUN_CHOSEN = state.SOURCE, "bos_rank", "bos_most", "bos_typed", "bos_run"
STRONGEST, ALIGNED = "strongest", "most aligned"
#: Features taken at first.
USUAL = 8
#: Pills carry their label up to this many.
LABELLED_UP_TO = 6


def section(engine: Engine, key: str, request: Request) -> tuple[Feature, ...]:
    """The whole choice; returns the features chosen. Raises InputError."""
    st.subheader("Features to clamp", anchor="features")
    sources = [NEAREST] * engine.has_direction + [WAKES] * work.has_bos(engine) + [ACTIVE, RUN, HAND]
    source = st.segmented_control(
        "Where from",
        sources,
        default=WAKES if request.edits and WAKES in sources else sources[0],
        key=SOURCE,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    taken: Sequence[Feature] = ()
    try:
        if source == NEAREST:
            taken = _nearest(engine, key)
        elif source == WAKES:
            taken = _wakes(engine, key, request)
        elif source == ACTIVE:
            taken = _active()
        elif source == RUN:
            taken = _run(engine)
        else:
            _by_hand(engine)
    except InputError as error:
        show_error(error)
    state.suggest(taken)
    if taken and tuple(map(str, taken)) != state.known():
        _take(taken)
    _pills(engine)
    return state.chosen()


def _take(taken: Sequence[Feature]) -> None:
    st.button(
        f"Clamp {'this' if len(taken) == 1 else f'these {len(taken):,}'} instead"
        if state.known()
        else f"Clamp {counted(len(taken), 'feature')}",
        key="bos_take",
        type="primary",
        icon=":material/done_all:",
        on_click=state.select_features,
        args=(taken,),
    )


def _nearest(engine: Engine, key: str) -> Sequence[Feature]:
    st.caption("In each SAE layer, the feature whose decoder row is nearest the refusal direction.")
    return top_per_layer(measurements.alignment(engine, key), 1)


def _wakes(engine: Engine, key: str, request: Request) -> Sequence[Feature]:
    st.caption(
        "BOS sees no other token, so the same features wake there under these edits for every prompt. The paper "
        "clamps such redundant features."
    )
    if not request.edits:
        st.info("No edits are on, so nothing wakes. Use a quick set above.", icon=":material/lightbulb:")
        return ()
    found = work.wakes_at_bos(engine, key, request.edits)
    if found.empty:
        st.info(
            "Nothing wakes at BOS under these edits. Try more features, or features in lower layers.",
            icon=":material/lightbulb:",
        )
        return ()
    ranks = [STRONGEST, ALIGNED] if engine.has_direction else [STRONGEST]
    st.session_state.setdefault(RANK, ranks[-1])
    st.session_state.setdefault(MOST, USUAL)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        rank = st.segmented_control("First the", ranks, key=RANK, required=True, persist_state="session")
        most = st.number_input("At most", 1, state.MOST, key=MOST, width=90, persist_state="session")
    ordered = found if rank == STRONGEST else found.sort_values("cosine", ascending=False)
    woken = ordered.head(int(most))["activation"]
    st.caption(
        f"{len(woken):,} of the {len(found):,} that wake. Under these edits, their activation at BOS is "
        f"{woken.min():.1f} to {woken.max():.1f}. Without edits, they do not fire there."
    )
    return features_of(ordered.head(int(most)))


def _active() -> Sequence[Feature]:
    features = session.current().features
    if not features:
        st.info("The edits use no features yet.", icon=":material/lightbulb:")
    return features


def _run(engine: Engine) -> Sequence[Feature]:
    runs = Runs(shared_store())
    known = {run.run: run for run in runs.of(engine)}
    if not known:
        st.info("There is no search run yet. Start one on the Discover page.", icon=":material/lightbulb:")
        return ()
    st.caption(
        "Critical features of the run that were dormant on a prompt and woke when its active features were ablated; "
        "those that woke on the most prompts first."
    )
    chosen = st.selectbox(
        "Run", list(known), format_func=lambda run: run_name(known[run]), key=RUN_CHOSEN, persist_state="session"
    )
    found = work.woken_in_run(runs.ledger(chosen))
    if found.empty:
        st.info(
            "No redundant feature woke in this run, or the run has not finished Stage 2.", icon=":material/lightbulb:"
        )
        return ()
    none = not found["at_bos"].any()
    only = st.toggle(
        "Only those that woke at BOS",
        key="bos_run_only",
        disabled=none,
        help="None of them woke at BOS in this run." if none else None,
        persist_state="session",
    )
    kept = found[found["at_bos"] > 0] if only else found
    return [Feature.parse(name) for name in kept["feature"]]


def _by_hand(engine: Engine) -> None:
    st.text_input(
        "Features, layer-index",
        key=TYPED,
        placeholder="16-123, 14-7",
        on_change=_add_typed,
        args=(engine,),
        help="Separate several features by commas. Press Enter to add them.",
        persist_state="session",
    )


def _add_typed(engine: Engine) -> None:
    try:
        features = read_features(from_neuronpedia(st.session_state.get(TYPED) or "", engine.spec.neuronpedia))
        engine.check(state.Clamp(features).at(1.0))
    except InputError as error:
        notice.say(str(error))
        return
    state.add(features)
    st.session_state[TYPED] = ""


def _pills(engine: Engine) -> None:
    known = state.known()
    if not known:
        st.caption("No features are clamped.")
        return
    labels = measurements.labels(engine, engine.spec.name)

    def pill(name: str) -> str:
        words = short(labels, Feature.parse(name)) if len(known) <= LABELLED_UP_TO else ""
        return plain(f"{name} · {words}" if words else name, most=34)

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f"**{len(state.chosen())} of {counted(len(known), 'feature')} clamped** :gray[click to switch]",
            width="content",
        )
        st.space("stretch")
        st.button(
            "Clear",
            key="bos_clear",
            icon=":material/close:",
            type="tertiary",
            on_click=state.select_features,
            args=((),),
        )
    with st.container(key="bos_pills"):
        st.pills(
            "Features that are clamped",
            known,
            selection_mode="multi",
            key=session.show_in(state.CHIPS, [str(feature) for feature in state.chosen()]),
            on_change=state.switch_from_chips,
            format_func=pill,
            label_visibility="collapsed",
        )


def ranges(engine: Engine, frame: pd.DataFrame, features: Sequence[Feature]) -> None:
    """How strongly each fires without edits, to compare a clamp's value with. frame: as `work.ranges` gives it."""
    labels = measurements.labels(engine, engine.spec.name)
    shown = pd.DataFrame(
        {
            "feature": [str(feature) for feature in features],
            "about": [about(labels, feature) for feature in features],
            "at BOS": frame["bos"],
            "median": frame["median"],
            "95%": frame["p95"],
            "highest": frame["highest"],
            "prompts": frame["share_active"],
            "95% from": frame["share_low"],
            "to": frame["share_high"],
            "n": frame["prompts"],
        }
    )
    highest = frame["highest"].max()
    with st.expander(f"Natural ranges: {_span(highest)}", icon=":material/straighten:", key="bos_ranges"):
        st.dataframe(
            shown,
            hide_index=True,
            key="bos_ranges_table",
            height=min(330, 40 + 35 * len(shown)),
            alt=f"Natural activations of {len(shown)} features",
            column_config={
                **{name: st.column_config.NumberColumn(format="%.2f") for name in ("median", "95%", "highest")},
                "at BOS": st.column_config.NumberColumn(format="%.2f", help="The same for every prompt"),
                "prompts": st.column_config.NumberColumn(
                    format="percent", help="The share of the n prompts on which the feature fires after BOS"
                ),
                **{name: st.column_config.NumberColumn(format="percent") for name in ("95% from", "to")},
            },
        )
        st.caption(
            f"Measured in SAELens units, without edits, over {len(work.range_prompts(engine))} prompts: the "
            "activation at BOS, and the activations after BOS where the feature fires. “None” means that the "
            "feature does not fire on these prompts."
        )
        download(shown, "natural-ranges")


def _span(highest: float) -> str:
    return "none fires on these prompts" if pd.isna(highest) else f"up to {highest:.1f} after BOS"
