"""The form for a new run: prompts, stages, settings, and how long it will take.

Knows: the widgets, and how they become settings. Does not know: where prompts come from (`prompt_box`), or results.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from cache.jobs import search
from cache.jobs.queue import shared_queue
from cache.store.runs import Runs
from core import Engine, InputError
from core.discovery.context import Inputs
from core.discovery.estimate import estimate, speed
from core.discovery.settings import Settings
from core.prompts.shipped import plain_texts
from pages.discover import prompt_box, reading_choices, state
from pages.shared import references
from pages.shared.engine import engine_key
from pages.shared.judge_choice import choose_judge
from pages.shared.text import duration, plain

_STAGES = {"1": (1,), "1–2": (1, 2), "1–3": (1, 2, 3)}
#: Tokens in one pass of a page's run: small on a processor, so that a click on the Audit page never waits long.
_TOKENS_PER_FORWARD = {"cpu": 512}
_DEFAULT_TOKENS_PER_FORWARD = 4096


def form(engine: Engine, runs: Runs) -> None:
    """The whole form. Raises InputError for what cannot be read."""
    left, right = st.columns(2, gap="medium")
    with left:
        harmful = prompt_box.box(
            engine, "harmful", "Harmful requests", "The search uses the requests that the model refuses."
        )
    with right:
        benign = prompt_box.box(
            engine,
            "benign",
            "Benign requests",
            "Stage 3 trains on these requests, and the cost of an edit is measured on them.",
        )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        stages = st.segmented_control(
            "Stages",
            list(_STAGES),
            default="1–3",
            key="discover_stages",
            required=True,
            help="Stage 1 ablates the features nearest the refusal direction until the model stops refusing. Stage 2 "
            "prunes them to a minimal set. Stage 3 finds interactions. Each stage also runs the paper's "
            "analyses that depend on it.",
        )
        name = st.text_input("Name", key="discover_name", max_chars=80, placeholder="optional", width=240)
        settings, judge = _settings(engine, _STAGES[str(stages)])
    if not harmful:
        st.caption("Enter at least one harmful request to start.")
        return
    inputs = Inputs(tuple(harmful), tuple(benign), tuple(plain_texts()), references.known(engine, harmful))
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.button(
            "Start",
            key="discover_start",
            type="primary",
            icon=":material/play_arrow:",
            on_click=_start,
            args=(engine, runs, inputs, settings, name or "", judge),
        )
        st.caption(_work_ahead(engine, inputs, settings))


def _start(engine: Engine, runs: Runs, inputs: Inputs, settings: Settings, name: str, judge: str) -> None:
    run = runs.create(engine, inputs, settings, name, judge)
    search.start(shared_queue(), runs, run, engine)
    state.select_run(run)


def _settings(engine: Engine, stages: tuple[int, ...]) -> tuple[Settings, str]:
    """What the visitor chose, the paper's numbers for the rest; and the judge."""
    usual = Settings()
    tokens_per_forward = _TOKENS_PER_FORWARD.get(engine.device, _DEFAULT_TOKENS_PER_FORWARD)
    with st.popover("Settings", icon=":material/tune:", key="discover_settings"):
        st.caption(
            "The defaults are the paper's values where it gives any. Every table shows the values that were used."
        )
        judge = choose_judge("discover_judge")
        tokens = st.slider("Longest answer, in tokens", 8, 64, usual.tokens, 8, key="discover_tokens")
        largest = st.slider("Stage 1: largest K per layer", 10, 200, usual.k_steps[-1], 10, key="discover_k")
        small = st.toggle(
            "Stage 1: K = 3 and 5 beside it",
            value=True,
            key="discover_small",
            help="The search starts at K = 10, as the paper does. In a small SAE ten features per layer are many, so "
            "sets of 3 and 5 per layer can be shown beside. They are no part of the search.",
        )
        reading = st.segmented_control(
            "Stage 2: candidate set C when computing Δ",
            ["shrinking", "fixed"],
            default=usual.reading,
            key="discover_reading",
            required=True,
            help="Read literally, Algorithm 1 shrinks C when it rejects a block. The other reading keeps C fixed.",
        )
        seeds = st.slider("Stage 2: number of seeds", 1, 5, len(usual.seeds), key="discover_seeds")
        interactions = st.slider(
            "Stage 3: largest K", 100, 2000, usual.interaction_steps[-1], 100, key="discover_interactions"
        )
        size = st.select_slider(
            "Stage 3: embedding size for the ranking", usual.embedding_sizes, usual.embedding_size, key="discover_size"
        )
        with st.expander("Readings of the paper, and controls"):
            readings = reading_choices.choices(usual)
        public = st.toggle(
            "Cost on public texts",
            value=True,
            key="discover_public",
            help=f"Also measure the cross-entropy on {usual.public_texts} texts each of Alpaca (CC BY-NC 4.0) and of "
            "the Pile, as in the paper's Table 9. The run downloads them from the model hub once, 58 MB. Without a "
            "network it uses the bundled texts alone.",
        )
        answers = st.toggle(
            "Keep answers",
            key="discover_keep",
            help="Store the generated text. When off, only the verdicts are kept, and you cannot judge the answers "
            "later.",
        )
        seed = st.number_input("Seed", 0, 10**6, 0, key="discover_seed")
    chosen = replace(
        usual,
        stages=stages,
        tokens=tokens,
        k_steps=tuple(k for k in usual.k_steps if k <= largest),
        k_beside=usual.k_beside if small else (),
        reading="fixed" if reading == "fixed" else "shrinking",
        seeds=tuple(range(seeds)),
        interaction_steps=tuple(k for k in usual.interaction_steps if k <= interactions),
        embedding_size=int(size),
        public_texts=usual.public_texts if public else 0,
        keep_answers=answers,
        seed=int(seed),
        tokens_per_forward=tokens_per_forward,
        **readings,
    )
    return chosen, judge


def _work_ahead(engine: Engine, inputs: Inputs, settings: Settings) -> str:
    """What the run will take, in a sentence."""
    try:
        rate = _speed(engine, engine_key(engine), settings.tokens_per_forward, inputs.harmful[:8])
        low, high = estimate(engine, inputs, settings, rate).seconds
    except InputError as error:
        return f"No estimate: {plain(str(error))} The run leaves out prompts that it cannot use."
    waiting = " The run starts when the jobs before it end." if shared_queue().has_device() else ""
    return (
        f"{duration(low)} to {duration(high)} on this machine. The run is faster if refusals flip at the smallest "
        f"K, and slower if they need the largest. ({rate:,.0f} tokens a second, measured just now.){waiting}"
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _speed(_engine: Engine, key: str, tokens_per_forward: int, texts: tuple[str, ...]) -> float:
    return speed(_engine, texts, tokens_per_forward)
