"""The settings of a new run in one popover, by stage: plain names first, the paper's symbol behind them.

Knows: the widgets, and how they become settings. Does not know: prompts, or what the settings do. Every widget has its
value from `sizes`, before it is drawn.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.discovery.settings import Settings
from pages.discover import sizes
from pages.discover.reading_choices import choose
from pages.shared.judge_choice import choose_judge

_USUAL = Settings()


def settings(stages: tuple[int, ...], tokens_per_forward: int) -> tuple[Settings, str]:
    """What the visitor chose, the paper's numbers for the rest; and the judge."""
    with st.popover("Settings", icon=":material/tune:", key="discover_settings"):
        st.caption(
            "The defaults are the paper's values where it gives any; the size of the run changes some of them. Every "
            "table shows the values that were used."
        )
        chosen, judge = _answers(replace(_USUAL, stages=stages, tokens_per_forward=tokens_per_forward))
        for part in (_stage_1, _stage_2, _stage_3, _cost):
            chosen = part(chosen)
    return chosen, judge


def _answers(before: Settings) -> tuple[Settings, str]:
    _heading("Answers and their judge")
    judge = choose_judge("discover_judge")
    tokens = st.slider("Longest answer, in tokens", 8, 64, step=8, key="discover_tokens", persist_state="session")
    lengths = st.slider(
        "Requests in the table of verdicts by answer length",
        0,
        20,
        key="discover_length_prompts",
        help=f"Their answers are judged at {', '.join(map(str, _USUAL.lengths))} tokens, to see how long is long "
        "enough. With 0, the table is left out.",
        persist_state="session",
    )
    keep = st.toggle(
        "Keep answers",
        key="discover_keep",
        help="Store the generated text. When off, only the verdicts are kept, and you cannot judge the answers later.",
        persist_state="session",
    )
    seed = st.number_input(
        "Random seed",
        0,
        10**6,
        0,
        key="discover_seed",
        help="Of everything random but Stage 2.",
        persist_state="session",
    )
    return replace(before, tokens=tokens, length_prompts=lengths, keep_answers=keep, seed=int(seed)), judge


def _stage_1(before: Settings) -> Settings:
    _heading("Stage 1: features nearest the refusal direction")
    first = st.select_slider(
        "Features per layer, first try (K)",
        sizes.FIRST_K,
        key="discover_first_k",
        help="The search ablates K features in each layer, and takes more until the model answers. The paper starts "
        "at 10. In a small SAE ten features per layer are many, and their ablation can break the model.",
        persist_state="session",
    )
    largest = st.slider("Features per layer, at most (K)", 10, 200, step=10, key="discover_k", persist_state="session")
    beside = st.toggle(
        "Also show sets of 3 and 5 features per layer (K)",
        key="discover_small",
        help="Such sets are shown beside those of the first try. They are no part of the search.",
        persist_state="session",
    )
    sweep = st.toggle(
        "Compare features active on many tokens at every count (k)",
        key="discover_least_tokens",
        help=f"The method of O'Brien et al., as the paper adapts it: features active on at least k tokens, for k = "
        f"{', '.join(map(str, _USUAL.least_tokens))}. When off, only the last.",
        persist_state="session",
    )
    return replace(
        before,
        least_tokens=sizes.LEAST_TOKENS[sweep],
        k_steps=sizes.k_steps(int(first), largest),
        k_beside=_USUAL.k_beside if beside else (),
        layers_counted_from=choose("layers_counted_from"),
    )


def _stage_2(before: Settings) -> Settings:
    _heading("Stage 2: pruning to a minimal set, and its controls")
    seeds = st.slider(
        "Random orders in which features are tried (seeds)",
        1,
        5,
        key="discover_seeds",
        help="A feature stays in the minimal set if it stays in every order.",
        persist_state="session",
    )
    reading = st.segmented_control(
        "Candidates that a change is measured against (C in Δ)",
        ["shrinking", "fixed"],
        key="discover_reading",
        required=True,
        help="Read literally, Algorithm 1 shrinks C when it rejects a block. The other reading keeps C fixed.",
        persist_state="session",
    )
    thresholds = st.segmented_control(
        "Thresholds for keeping a feature (τ)",
        list(sizes.THRESHOLDS),
        format_func=lambda name: f"{name}: {', '.join(map(str, sizes.THRESHOLDS[name]))}",
        key="discover_thresholds",
        required=True,
        help="A block of features is kept when leaving it unablated changes the probability of a refusal token by this "
        "share or more.",
        persist_state="session",
    )
    return replace(
        before,
        thresholds=sizes.THRESHOLDS[str(thresholds)],
        seeds=tuple(range(seeds)),
        reading="fixed" if reading == "fixed" else "shrinking",
        step_two=choose("step_two"),
        control_draws=st.slider(
            "Matched random controls per request", 0, 10, key="discover_control_draws", persist_state="session"
        ),
    )


def _stage_3(before: Settings) -> Settings:
    _heading("Stage 3: features that interact")
    most = st.slider(
        "Interacting features, at most (K)", 100, 2000, step=100, key="discover_interactions", persist_state="session"
    )
    size = st.select_slider(
        "Numbers that describe a feature when it is ranked (embedding size)",
        _USUAL.embedding_sizes,
        key="discover_size",
        help="Factorization machines of every size are fitted; this one ranks the features.",
        persist_state="session",
    )
    return replace(
        before,
        interaction_steps=tuple(k for k in _USUAL.interaction_steps if k <= most),
        embedding_size=int(size),
        machine_seeds=st.slider(
            "Fits of each factorization machine", 1, 10, key="discover_machine_seeds", persist_state="session"
        ),
        scaling=choose("scaling"),
        nearness=choose("nearness"),
    )


def _cost(before: Settings) -> Settings:
    _heading("What an ablation costs on other text")
    sets = st.slider(
        "Minimal sets whose cost is measured, at most",
        0,
        20,
        key="discover_cost_sets",
        help="Cross-entropy on the benign requests and on the bundled texts. With 0, it is left out.",
        persist_state="session",
    )
    public = st.toggle(
        "Cost on public texts",
        key="discover_public",
        help=f"Also measure the cross-entropy on {_USUAL.public_texts} texts each of Alpaca (CC BY-NC 4.0) and of "
        "the Pile, as in the paper's Table 9. The run downloads them from the model hub once, 58 MB. Without a "
        "network it uses the bundled texts alone.",
        persist_state="session",
    )
    return replace(before, cost_sets=sets, public_texts=_USUAL.public_texts if public else 0)


def _heading(words: str) -> None:
    st.markdown(f"**{words}**")
