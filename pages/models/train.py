"""Training SAEs on the Models page: what to train, what it will take, how it stands, and using what came of it.

Knows: the section's widgets, the jobs that estimate and train. Does not know: how an SAE is trained. What was typed
stays while jobs run; a training is known by its model, so every visitor sees the same one.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs import models, training
from cache.jobs.queue import Job, shared_queue
from core import HydrascopeError
from core.models.registry import chosen_name, find_spec
from core.models.trained import base_name, suite_name, trained_suite
from core.text.layers import layers_text, parse_layers
from core.training.estimate import Plan
from core.training.settings import TrainingSettings
from pages.shared import sae_cards
from pages.shared.jobs import INSTANT, job_bar, status, watch
from pages.shared.text import plain
from pages.shared.trouble import show_error

LAYERS, WIDTH, TOKENS, ACTIVE, PASSES, ANSWER = (
    f"train_{name}" for name in ("layers", "width", "tokens", "active", "passes", "answer")
)
WIDTHS = (1024, 2048, 4096, 8192, 16384)
#: Of a training: layers are a person's to name, everything else has a default.
_DEFAULTS = TrainingSettings(layers=(0,))
_FIRST = {
    WIDTH: _DEFAULTS.width,
    TOKENS: _DEFAULTS.tokens,
    ACTIVE: int(_DEFAULTS.k),
    PASSES: _DEFAULTS.passes,
    ANSWER: _DEFAULTS.answer_tokens,
}


def show_train(name: str) -> None:
    """The section, for the model that is selected above."""
    base = base_name(name)
    with st.expander("Train SAEs", icon=":material/model_training:", key="train_box"):
        st.caption(
            f"Trains sparse autoencoders for **{plain(base)}** on its own conversations: the model answers the "
            "shipped prompts, its residual stream is recorded, and an SAE learns to read it after each layer you name. "
            "At the end its features are labelled and its quality is measured on other conversations. On a processor "
            "this takes hours. It goes on when you leave this page, and can be paused, stopped and continued."
        )
        _fields()
        try:
            settings = _settings()
        except HydrascopeError as error:
            settings = None
            if st.session_state[LAYERS].strip():
                show_error(error)
        _buttons(base, settings)
        watch(lambda: bool(_under_way(base)), lambda: _progress(base), key="train_live", every=1.0)
        _result(base)


def _fields() -> None:
    for key, first in ({LAYERS: ""} | _FIRST).items():
        st.session_state.setdefault(key, first)
    left, middle, right = st.columns(3, gap="medium")
    left.text_input(
        "Layers",
        key=LAYERS,
        placeholder="11,13",
        help="Decoder layers, counted from 0. Refusal usually arises in the middle third of a model. Each layer costs "
        "training time and disk space.",
        persist_state="session",
    )
    middle.selectbox(
        "Features",
        WIDTHS,
        key=WIDTH,
        format_func="{:,}".format,
        help="How many features each SAE has (d_sae). More features are more specific, need more text and take longer.",
        persist_state="session",
    )
    right.number_input(
        "Tokens",
        1_000,
        100_000_000,
        step=50_000,
        key=TOKENS,
        help="How much text the SAEs learn from. More text gives better SAEs; recording it is most of the work.",
        persist_state="session",
    )
    left.number_input(
        "Active features",
        1,
        1024,
        key=ACTIVE,
        help="How many features may be active on a token on average (k, L0).",
        persist_state="session",
    )
    middle.number_input(
        "Passes",
        0.5,
        20.0,
        step=0.5,
        key=PASSES,
        help="How often each recorded token is seen.",
        persist_state="session",
    )
    right.number_input(
        "Answer length",
        1,
        1024,
        key=ANSWER,
        help="Tokens of each answer at most. Long answers take long to generate.",
        persist_state="session",
    )


def _settings() -> TrainingSettings:
    """Raises InputError."""
    now = st.session_state
    return TrainingSettings(
        layers=parse_layers(now[LAYERS]),
        width=int(now[WIDTH]),
        k=float(now[ACTIVE]),
        tokens=int(now[TOKENS]),
        held_out_tokens=min(_DEFAULTS.held_out_tokens, max(1, int(now[TOKENS]) // 10)),
        passes=float(now[PASSES]),
        batch=min(_DEFAULTS.batch, int(now[TOKENS])),
        answer_tokens=int(now[ANSWER]),
    )


def _buttons(base: str, settings: TrainingSettings | None) -> None:
    busy = bool(_under_way(base))
    off, waits = settings is None or busy, "A training of this model is under way." if busy else None
    if settings is None:
        waits = "The settings above cannot be used. See there."
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Estimate",
            key="train_estimate",
            icon=":material/schedule:",
            disabled=off,
            on_click=_estimate,
            args=(base, settings),
            help=waits or "Loads the model if it is not loaded, and runs a little of each part.",
        )
        st.button(
            "Train",
            key="train_start",
            type="primary",
            icon=":material/play_arrow:",
            disabled=off,
            on_click=_start,
            args=(base, settings),
            help=waits or "A training of the same settings that was stopped continues where it was.",
        )


def _estimate(base: str, settings: TrainingSettings) -> None:
    queue = shared_queue()
    queue.wait(training.start_estimate(queue, base, settings).id, INSTANT)


def _start(base: str, settings: TrainingSettings) -> None:
    queue = shared_queue()
    queue.wait(training.start(queue, base, settings).id, INSTANT)


def _under_way(base: str) -> list[Job]:
    """The estimate and the training of this model, if they have not ended."""
    return [job for job in shared_queue().under_way("training", "estimate") if job.key == base]


def _progress(base: str) -> None:
    """What is under way, with its buttons; else how the last one ended."""
    queue = shared_queue()
    for job in _under_way(base):
        if job.kind == "estimate":
            job_bar(job, "train_estimate_stop", "Nothing is lost.")
            continue
        st.progress(job.share, status(job))
        with st.container(horizontal=True, gap="small"):
            if job.state == "paused":
                st.button("Continue", key="train_go_on", icon=":material/play_arrow:", on_click=_go_on, args=(job.id,))
            else:
                st.button(
                    "Pause",
                    key="train_pause",
                    icon=":material/pause:",
                    on_click=_pause,
                    args=(job.id,),
                    disabled=job.state == "stopping",
                    help="Holds the training after the current step. Other jobs can use the device in the meantime.",
                )
            st.button(
                "Stop",
                key="train_stop",
                icon=":material/stop:",
                on_click=queue.stop,
                args=(job.id,),
                disabled=job.state == "stopping",
                help="Everything so far is kept. Press Train with the same settings to continue.",
            )
    if not _under_way(base):
        _ended(base)


def _pause(job_id: str) -> None:
    shared_queue().pause(job_id)


def _go_on(job_id: str) -> None:
    shared_queue().go_on(job_id)


def _ended(base: str) -> None:
    last = [job for kind in ("estimate", "training") if (job := shared_queue().latest(kind, base)) is not None]
    for job in last:
        if isinstance(job.result, Plan):
            st.markdown("\n".join(f"- {plain(sentence)}" for sentence in job.result.lines))
        elif job.state == "failed":
            st.error(plain(job.error), icon=":material/error:")
        elif job.state == "stopped":
            st.info(plain(job.message), icon=":material/stop_circle:")


def _result(base: str) -> None:
    """What was trained here, and a click that puts it to use."""
    suite, name = trained_suite(base), suite_name(base)
    if suite is None:
        return
    spec = find_spec(name)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(
            f":material/check_circle: Trained here: **{plain(name)}**, "
            f"{'layer' if len(suite.layers) == 1 else 'layers'} {layers_text(suite.layers)}",
            width="content",
        )
        st.button(
            "In use" if chosen_name() == name else "Use these SAEs",
            key="train_use",
            icon=":material/download_done:",
            disabled=chosen_name() == name or bool(shared_queue().under_way("model")),
            on_click=_use,
            args=(name,),
            help="Every page uses them from then on.",
        )
    sae_cards.caption(spec)


def _use(name: str) -> None:
    queue = shared_queue()
    queue.wait(models.start(queue, find_spec(name)).id, INSTANT)
