"""Sets of edits one click away, with their few settings in a popover beside them.

Knows: the row's widgets and what a click on them asks for. Does not know: measurements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import Engine
from core.edits.feature_sets import SKIPPED_LAYERS, active_near, random_per_layer, top_per_layer
from core.prompts.conversation import PromptLike
from core.text.layers import layers_text
from pages.shared import measurements, notice
from pages.shared.text import counted
from pages.shared.workspace import session
from pages.shared.workspace.state import Workspace, direction_word, with_settings, words_for

TOP_K, LEAST_COSINE, SEED, MODE = "quick_top_k", "quick_least_cosine", "quick_seed", "quick_mode"
OPEN = "quick_settings"
REPLACES, ADDS = "replaces the edits", "adds to the edits"


def row(engine: Engine, key: str, prompt: PromptLike) -> DeltaGenerator:
    """Draw the row. Returns it, for a page to add to."""
    settings = session.current().settings
    arguments = (engine, key, prompt)
    place = st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="quick_sets")
    with place:
        if engine.has_direction:
            _towards_refusal(engine, key, prompt)
        like = len(session.current().features) or settings.features_per_layer * len(engine.spec.layers)
        st.button(
            "Random",
            key="set_random",
            on_click=_use_random,
            args=arguments,
            help=f"Replaces the edits with {like} random features that are active on this prompt, with the same "
            "number in each layer as far as it has so many. If these change as much as the edits, the edits were "
            "nothing special.",
        )
        _settings()
    return place


def _towards_refusal(engine: Engine, key: str, prompt: PromptLike) -> None:
    """The sets that are made with the refusal direction."""
    settings = session.current().settings
    k, least = settings.features_per_layer, settings.least_cosine
    st.button(
        "Direction",
        key="set_direction",
        on_click=_use_direction,
        args=(engine,),
        help="Removes the refusal direction itself everywhere in the network (Arditi et al. 2024).",
    )
    layers = [layer for layer in engine.spec.layers if layer >= SKIPPED_LAYERS]
    st.button(
        f"Top {k} a layer",
        key="set_top",
        on_click=_use_top,
        args=(engine, key),
        help=f"Ablates the {k * len(layers)} features whose decoder rows are nearest the refusal direction by "
        f"cosine: {k} in each of {len(layers)} SAE layers, active on this prompt or not. Layers below "
        f"{SKIPPED_LAYERS} are skipped.",
    )
    near = active_near(measurements.features(engine, key, prompt), least)
    st.button(
        f"Near {len(near):,}",
        key="set_near",
        disabled=not near,
        on_click=_use_near,
        args=(engine, key, prompt),
        help=f"Ablates every feature that is active on this prompt and has a cosine of at least {least:.2f} with the "
        "refusal direction.",
    )


def _settings() -> None:
    now = session.current().settings
    # Drawn only while it is open: a browser makes what is in a closed one later, and with the usual values.
    with st.popover(
        "Sets", icon=":material/tune:", key=OPEN, on_change="rerun", help="Settings of the quick sets"
    ) as place:
        if not place.open:
            return
        st.slider(
            "Features per layer (K)",
            1,
            50,
            key=session.show_in(TOP_K, now.features_per_layer),
            on_change=session.on_change(TOP_K, lambda w, number: with_settings(w, features_per_layer=int(number))),
        )
        st.slider(
            "Minimum cosine with the direction",
            0.0,
            1.0,
            step=0.01,
            key=session.show_in(LEAST_COSINE, now.least_cosine),
            on_change=session.on_change(LEAST_COSINE, lambda w, number: with_settings(w, least_cosine=float(number))),
        )
        st.number_input(
            "Seed of the random control",
            0,
            10_000,
            step=1,
            key=session.show_in(SEED, now.seed),
            on_change=session.on_change(SEED, lambda w, number: with_settings(w, seed=int(number or 0))),
        )
        st.segmented_control(
            "Clicking a set",
            (REPLACES, ADDS),
            key=session.show_in(MODE, ADDS if now.adds else REPLACES),
            required=True,
            on_change=session.on_change(MODE, lambda w, mode: with_settings(w, adds=mode == ADDS)),
        )


def _use(words: Sequence[str]) -> None:
    if not words:
        notice.say("This set has no features on this prompt.")
    elif session.current().settings.adds:
        session.add_words(words)
    else:
        session.set_words(words)


def _use_direction(engine: Engine) -> None:
    _use([direction_word(engine.direction())])


def _use_top(engine: Engine, key: str) -> None:
    k = session.current().settings.features_per_layer
    _use(words_for(top_per_layer(measurements.alignment(engine, key), k)))


def _use_near(engine: Engine, key: str, prompt: PromptLike) -> None:
    features = measurements.features(engine, key, prompt)
    _use(words_for(active_near(features, session.current().settings.least_cosine)))


def _use_random(engine: Engine, key: str, prompt: PromptLike) -> None:
    """Replaces the edits whatever the setting: a control stands beside nothing."""
    now: Workspace = session.current()
    like, k = list(now.features), now.settings.features_per_layer
    if not like and engine.has_direction:
        like = top_per_layer(measurements.alignment(engine, key), k)
    wanted = Counter(feature.layer for feature in like) or Counter(dict.fromkeys(engine.spec.layers, k))
    drawn = random_per_layer(measurements.features(engine, key, prompt), wanted, now.settings.seed, like)
    _say_what_is_short(wanted, Counter(feature.layer for feature in drawn))
    if drawn:
        session.set_words(words_for(drawn))


def _say_what_is_short(wanted: Counter[int], drawn: Counter[int]) -> None:
    """Where the prompt has fewer active features than were asked for, in all or in a layer."""
    short = wanted - drawn
    if drawn.total() < wanted.total():
        found = counted(drawn.total(), "other feature")
        notice.say(f"Only {found} are active on this prompt, fewer than the {wanted.total()} requested.")
    elif short:
        notice.say(
            f"Too few other features are active in layer{'s' * (len(short) > 1)} {layers_text(short)}, so "
            f"{short.total()} of the {wanted.total()} random ones are of other layers."
        )
