"""The form for a new run: its size, prompts, stages, settings, and how long it will take.

Knows: the order of the form. Does not know: where prompts come from (`prompt_box`), the settings' widgets
(`settings_box`), what a size is (`sizes`), or results.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs import search
from cache.jobs.queue import shared_queue
from cache.store.runs import Runs
from core import Engine, InputError
from core.answers.names import RULES
from core.discovery.context import Inputs
from core.discovery.estimate import Speed, estimate, speed
from core.discovery.settings import Settings
from core.judges.names import NEED_NOTHING
from core.prompts.categories import categories_of
from core.prompts.lists_apart import lists_apart
from core.prompts.shipped import plain_texts
from pages.discover import prompt_box, settings_box, sizes, state, workers
from pages.discover.sizes import Given
from pages.shared import references
from pages.shared.engine import engine_key
from pages.shared.text import duration, plain

#: Tokens in one pass of a page's run: small on a processor, so that a click on the Audit page never waits long.
_TOKENS_PER_FORWARD = {"cpu": 512}
_DEFAULT_TOKENS_PER_FORWARD = 4096


def form(engine: Engine, runs: Runs) -> None:
    """The whole form. Raises InputError for what cannot be read."""
    size = st.container()  # its choice shows what the widgets below say, so it is drawn when they are known
    sizes.fill_in()
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
    harmful, benign = _apart(harmful, benign)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        stages = st.segmented_control(
            "Stages",
            list(sizes.STAGES),
            key="discover_stages",
            required=True,
            help="Stage 1 ablates the features nearest the refusal direction until the model stops refusing. Stage 2 "
            "prunes them to a minimal set. Stage 3 finds interactions. Each stage also runs the paper's "
            "analyses that depend on it.",
            persist_state="session",
        )
        name = st.text_input(
            "Name", key="discover_name", max_chars=80, placeholder="optional", width=240, persist_state="session"
        )
        tokens_per_forward = _TOKENS_PER_FORWARD.get(engine.device, _DEFAULT_TOKENS_PER_FORWARD)
        workers.choose()
        settings, judge = settings_box.settings(sizes.STAGES[str(stages)], tokens_per_forward)
    with size:
        sizes.control(settings, harmful, benign)
    if not harmful.prompts:
        st.caption("Enter at least one harmful request to start.")
        return
    references_there = references.known(engine, harmful.prompts)
    inputs = Inputs(harmful.prompts, benign.prompts, tuple(plain_texts()), references_there, harmful.categories)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.button(
            "Start",
            key="discover_start",
            type="primary",
            icon=":material/play_arrow:",
            on_click=_start,
            args=(engine, runs, inputs, settings, name or "", judge),
        )
        st.caption(_work_ahead(engine, inputs, settings, judge))


def _apart(harmful: Given, benign: Given) -> tuple[Given, Given]:
    """Both sides without the prompts that they have in common, and a warning that counts them. Raises InputError where
    no harmful one is left."""
    apart = lists_apart(harmful.prompts, benign.prompts)
    if apart.said:
        st.warning(plain(apart.said), icon=":material/warning:")
    categories = categories_of(apart.harmful, dict(zip(harmful.prompts, harmful.categories, strict=False)))
    return harmful._replace(prompts=apart.harmful, categories=categories), benign._replace(prompts=apart.benign)


def _start(engine: Engine, runs: Runs, inputs: Inputs, settings: Settings, name: str, judge: str) -> None:
    run = runs.create(engine, inputs, settings, name, judge)
    search.start(shared_queue(), runs, run, engine, workers.chosen())
    state.select_run(run)


def _work_ahead(engine: Engine, inputs: Inputs, settings: Settings, judge: str) -> str:
    """What the run will take, in a sentence."""
    try:
        now = _speed(engine, engine_key(engine), settings.tokens_per_forward, inputs.harmful[:8])
        low, high = estimate(engine, inputs, settings, asks_the_model=judge == RULES).seconds(now)
    except InputError as error:
        return f"No estimate: {plain(str(error))} The run leaves out prompts that it cannot use."
    judged = "" if judge in NEED_NOTHING or judge == RULES else " What the judge's own model takes comes on top."
    waiting = " The run starts when the jobs before it end." if shared_queue().has_device() else ""
    return (
        f"{duration(low)} to {duration(high)} on this machine. The run is faster if refusals flip at the smallest "
        f"K, and slower if they need the largest. ({now.tokens_per_second:,.0f} tokens a second, measured just "
        f"now.){judged}{waiting}"
    )


@st.cache_data(max_entries=16, show_spinner=False)
def _speed(_engine: Engine, key: str, tokens_per_forward: int, texts: tuple[str, ...]) -> Speed:
    return speed(_engine, texts, tokens_per_forward)
