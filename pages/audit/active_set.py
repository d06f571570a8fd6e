"""The active set: what is edited, each edit a pill that a click switches off or on again, and the quick sets.

Knows: the bar's widgets and what a click on them asks for. Does not know: measurements.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import Engine, Feature
from core.edits.feature_sets import SKIPPED_LAYERS, active_near, random_active, top_per_layer
from core.edits.text import Word
from core.labels.notes import Labels
from pages.audit import history, prompt_box, state, work
from pages.audit.state import Request
from pages.shared import links
from pages.shared.links import Link
from pages.shared.text import counted, plain, visible

TOP_K, LEAST_COSINE, SEED, MODE = "audit_top_k", "audit_least_cosine", "audit_seed", "audit_mode"
MODES = ("replaces the active set", "adds to it")
#: Pills carry their label's first words up to this many; longer sets show the numbers only.
LABELLED_UP_TO = 24


def bar(engine: Engine, request: Request) -> None:
    """Draw the bar. Its buttons act through callbacks, so the rest of the run already sees the new set."""
    known = state.known_words()
    on = len(links.words(request.edits))
    with st.container(key="active_bar", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(_heading(len(known), on), width="content")
            st.space("stretch")
            history.saved_sets(engine, request.edits)
            prompt_box.link_button(Link(request.prompt, request.edits))
            if known:
                st.button("Clear", icon=":material/close:", key="audit_clear", type="tertiary", on_click=_clear)
        if known:
            with st.container(key="active_pills"):
                st.pills(
                    "Edits that are on",
                    known,
                    selection_mode="multi",
                    key=state.ON,
                    format_func=_pill(work.labels(engine, engine.spec.name), len(known)),
                    label_visibility="collapsed",
                    persist_state="session",
                )


def _heading(known: int, on: int) -> str:
    if not known:
        return "**Active edits** :gray[none yet]"
    return f"**Active edits** :gray[{on} of {known} on]" if on < known else f"**Active edits** :gray[{known}]"


def _pill(labels: Labels, known: int):
    def text(word: str) -> str:
        name = Word.parse(word).name
        shown = "refusal direction" if name == "direction" else _spaced(word)
        if name == "direction" or known > LABELLED_UP_TO:
            return plain(shown)
        label = visible(labels.label(Feature.parse(name))).replace("␣", " ").partition("→")[0].strip()
        return plain(f"{shown} · {label}" if label else shown, most=34)

    return text


def _spaced(word: str) -> str:
    """`12-40=6*0.5@bos?13-7>2` as a person reads it."""
    for sign, said in (("=", " = "), ("*", " × "), ("@", " at "), ("?", " if "), (">", " > ")):
        word = word.replace(sign, said)
    return word


def quick_sets(engine: Engine, key: str, prompt: str) -> DeltaGenerator:
    """One-click sets, with their few settings in a popover beside them. Returns the row, for a page to add to."""
    for name, value in ((TOP_K, 5), (LEAST_COSINE, 0.2), (SEED, 0), (MODE, MODES[0])):
        st.session_state.setdefault(name, value)
    k, least, arguments = int(st.session_state[TOP_K]), float(st.session_state[LEAST_COSINE]), (engine, key, prompt)
    row = st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="quick_sets")
    with row:
        st.markdown(":gray[Quick sets]", width="content")
        if engine.has_direction:
            st.button(
                "Refusal direction",
                key="set_direction",
                icon=":material/trending_flat:",
                on_click=_use_direction,
                args=(engine,),
                help="Projects the direction itself out everywhere in the network (Arditi et al. 2024).",
            )
            layers = [layer for layer in engine.spec.layers if layer >= SKIPPED_LAYERS]
            st.button(
                f"Top {k} per layer",
                key="set_top",
                icon=":material/vertical_align_top:",
                on_click=_use_top,
                args=arguments,
                help=f"The {k * len(layers)} features nearest the direction by decoder cosine, {k} in each of "
                f"{len(layers)} SAE layers (those below {SKIPPED_LAYERS} left out), active on this prompt or not.",
            )
            near = active_near(work.features(engine, key, prompt), least) if prompt else []
            st.button(
                f"{len(near):,} active near it",
                key="set_near",
                icon=":material/filter_alt:",
                disabled=not near,
                on_click=_use_near,
                args=arguments,
                help=f"All features active on this prompt with a cosine of at least {least:.2f} to the direction.",
            )
        like = len(state.named_features()) or k * len(engine.spec.layers)
        st.button(
            "Random control",
            key="set_random",
            icon=":material/casino:",
            disabled=not prompt,
            on_click=_use_random,
            args=arguments,
            help=f"The control: {like} random features active on this prompt, layer by layer as many as in the active "
            "set, in its place. If they change as much, the set was nothing special.",
        )
        with st.popover("Settings", icon=":material/tune:", key="quick_settings", help="Settings of the quick sets"):
            st.slider("K: features per layer", 1, 50, key=TOP_K)
            st.slider("Near: least cosine to the direction", 0.0, 1.0, step=0.01, key=LEAST_COSINE)
            st.number_input("Seed of the random control", 0, 10_000, step=1, key=SEED)
            st.segmented_control("A click on a set", MODES, key=MODE, required=True)
    return row


def _use(words: Sequence[str]) -> None:
    if not words:
        state.say("That set is empty on this prompt.")
    elif st.session_state.get(MODE) == MODES[1]:
        state.add_words(words)
    else:
        state.set_words(words)


def _use_direction(engine: Engine) -> None:
    _use([state.direction_word(engine.direction())])


def _use_top(engine: Engine, key: str, prompt: str) -> None:
    _use(state.words_for(top_per_layer(work.alignment(engine, key), int(st.session_state[TOP_K]))))


def _use_near(engine: Engine, key: str, prompt: str) -> None:
    features = work.features(engine, key, prompt)
    _use(state.words_for(active_near(features, float(st.session_state[LEAST_COSINE]))))


def _use_random(engine: Engine, key: str, prompt: str) -> None:
    """Replaces whatever the mode: a control stands beside nothing."""
    like = state.named_features()
    if not like and engine.has_direction:
        like = top_per_layer(work.alignment(engine, key), int(st.session_state[TOP_K]))
    drawn = random_active(work.features(engine, key, prompt), like, int(st.session_state[SEED]))
    if len(drawn) < len(like):
        found = counted(len(drawn), "other feature")
        state.say(f"Only {found} are active on this prompt, fewer than the {len(like)} asked for.")
    if drawn:
        state.set_words(state.words_for(drawn))


def _clear() -> None:
    state.set_words(())
