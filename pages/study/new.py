"""Making a study: of features of the current model, or of answers.

Knows: the form, and the job that makes a study of features. Does not know: how a pool is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from cache.jobs import study as making
from cache.jobs.queue import shared_queue
from cache.store.answers import file_answers, file_verdicts, run_answers
from cache.store.database import Store
from cache.store.runs import Run, Runs
from cache.store.studies import Listed, Studies
from core import HydrascopeError, InputError
from core.edits.text import read_features
from core.models.registry import chosen_name
from core.prompts.files import read_prompts
from core.study.from_model import NEAREST, FeatureSource, FeatureStudy
from core.study.making import ANSWERS, Labelled, answers_study, bundled_answers
from core.study.sizes import PoolSizes
from core.study.taxonomy import FIVE
from pages.shared import notice
from pages.shared.jobs import INSTANT, job_bar
from pages.shared.runs import run_name
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error
from pages.shared.uploads import uploaded
from pages.shared.workspace import session
from pages.study import state

ABOUT, SOURCE, FILE, TITLE, SEED = "study_about", "study_source", "study_file", "study_title", "study_seed"
FEATURES, ANSWER_TEXTS = "Features", "Answers"
SEARCH, RUN, ACTIVE, NAMED = "Nearest the refusal direction", "A run's features", "The active set", "Named features"
SHIPPED, RUN_ANSWERS, A_FILE = "Shipped answers", "A run's answers", "A file"
#: Field of the pool's sizes → what its box says.
_COUNTS = {
    "each": "Of the search, for each number of categories",
    "active": "Random, fire on some category",
    "silent": "Random, fire on none",
    "training": "Training",
}


def form(store: Store, every: Sequence[Listed]) -> None:
    """What it is about, its source, its counts, its name, and the button."""
    about = st.segmented_control(
        "About", [FEATURES, ANSWER_TEXTS], default=FEATURES, key=ABOUT, required=True, persist_state="session"
    )
    runs = Runs(store)
    if about == FEATURES:
        _features(store, runs, every)
    else:
        _answers(store, runs, every)


def _features(store: Store, runs: Runs, every: Sequence[Listed]) -> None:
    st.caption(
        "People see what a feature fires on, and say which of five categories it is about. They do not see which "
        f"features are random. The categories are {', '.join(FIVE)}; which of them a feature has is measured on the "
        "bundled prompts."
    )
    kind = st.selectbox("Features", [SEARCH, RUN, ACTIVE, NAMED], key=SOURCE, persist_state="session")
    try:
        source = _source(str(kind), runs)
    except HydrascopeError as error:
        show_error(error)
        return
    if source is None:
        return
    sizes = PoolSizes()
    with st.expander("Counts", icon=":material/tune:", key="study_counts"):
        columns = st.columns(2, gap="medium")
        counts = {
            name: int(
                columns[place % 2].number_input(
                    title, 0, 1000, getattr(sizes, name), key=f"study_{name}", persist_state="session"
                )
            )
            for place, (name, title) in enumerate(_COUNTS.items())
            if not (source.whole and name == "each")
        }
        seed = int(st.number_input("Seed", 0, 10**6, 0, key=SEED, persist_state="session"))
    chosen = len(source.features) if source.whole and source.features is not None else 0
    total = counts["active"] + counts["silent"] + (chosen or counts.get("each", 0) * len(FIVE))
    name = _title(f"{total} features of {chosen_name()}", every)
    st.button(
        f"Make a study of {counted(total, 'feature')}",
        key="study_make",
        type="primary",
        icon=":material/group_add:",
        on_click=_start,
        args=(store, source, counts, seed, name),
        disabled=bool(shared_queue().under_way("study")),
        help="Loads the current model if needed and reads the bundled prompts, which takes about half a minute on the "
        "demo.",
    )


def show_progress() -> None:
    """How making a study stands, and what came of the last one."""
    queue = shared_queue()
    for job in queue.under_way("study"):
        job_bar(job, f"study_stop_{job.id}", "Stops making the study. Nothing is kept.", job.title)
    last = queue.latest("study", making.KEY)
    if last is None or last.under_way:
        return
    if last.state == "failed":
        st.error(plain(last.error), icon=":material/error:")
    elif last.state == "stopped":
        st.info(plain(last.message), icon=":material/stop_circle:")
    elif state.is_news(last.id):
        state.set_made(str(last.result))
        st.rerun()


def _source(kind: str, runs: Runs) -> FeatureSource | None:
    """None where there is nothing to choose yet. Raises InputError."""
    if kind == SEARCH:
        st.caption(f"The {NEAREST} features of each layer that Stage 1 of the search takes first. No run is needed.")
        return FeatureSource()
    if kind == ACTIVE:
        now = session.current()
        features = now.features
        if features and now.origin.model not in ("", chosen_name()):
            raise InputError(
                f"The active set was chosen for the model “{now.origin.model}”, and “{chosen_name()}” is in use. "
                "Choose features of this one, for example on the Audit page."
            )
        if not features:
            st.info(
                "The active set has no features. Switch some on, for example on the Audit page.",
                icon=":material/lightbulb:",
            )
            return None
        return FeatureSource(features, "the active set", whole=True)
    if kind == NAMED:
        typed = st.text_area("Features, such as 12-40, 14-7", key="study_named", persist_state="session")
        return FeatureSource(read_features(typed), "features named by hand", whole=True) if typed.strip() else None
    run = _run([run for run in runs.all() if run.model == chosen_name()], "study_run")
    return making.source_of_run(runs, run, chosen_name()) if run else None


def _answers(store: Store, runs: Runs, every: Sequence[Listed]) -> None:
    st.caption("People read a prompt and an answer, and say which of the five verdicts it is.")
    kind = st.selectbox("Answers", [SHIPPED, RUN_ANSWERS, A_FILE], key="study_answers", persist_state="session")
    try:
        found = _labelled(str(kind), runs)
    except HydrascopeError as error:
        show_error(error)
        return
    if found is None:
        return
    count = int(
        st.number_input("How many, drawn at random", 1, 5000, ANSWERS, key="study_count", persist_state="session")
    )
    seed = int(st.number_input("Seed", 0, 10**6, 0, key="study_answers_seed", persist_state="session"))
    name = _title(f"{min(count, len(found.pairs))} answers", every)
    st.button(
        f"Make a study of {counted(min(count, len(found.pairs)), 'answer')}",
        key="study_make_answers",
        type="primary",
        icon=":material/group_add:",
        on_click=_make_answers,
        args=(store, found, count, seed, name),
    )


def _labelled(kind: str, runs: Runs) -> Labelled | None:
    """None where there is nothing to choose yet. Raises InputError."""
    if kind == SHIPPED:
        return bundled_answers()
    if kind == A_FILE:
        file = uploaded(
            "A file with a prompt and an answer in each row",
            ["csv", "tsv", "json", "jsonl", "parquet"],
            FILE,
            read_prompts,
            help="Its columns must have usual names, such as prompt and answer. A column “verdict” is taken as the "
            "known verdict.",
        )
        if file is None:
            return None
        if file.warning:
            st.warning(plain(file.warning), icon=":material/warning:")
        return Labelled(tuple(file_answers(file)), file_verdicts(file), file.name)
    run = _run([run for run in runs.all() if run.settings.keep_answers], "study_answers_run")
    if run is None:
        return None
    parts = run_answers(runs, run)
    part = str(st.selectbox("Answers of", list(parts), key=f"study_part_{run}", persist_state="session"))
    return Labelled(tuple(parts[part]), ("",) * len(parts[part]), f"run {run}: {part}")


def _run(found: Sequence[Run], key: str) -> str | None:
    known = {run.run: run for run in found}
    if not known:
        st.info("There is no such run yet. Start one on the Discover page.", icon=":material/lightbulb:")
        return None
    return str(
        st.selectbox("Run", list(known), key=key, format_func=lambda one: run_name(known[one]), persist_state="session")
    )


def _title(suggested: str, every: Sequence[Listed]) -> str:
    """The study's name; the suggested one is numbered where it is taken."""
    taken, name, number = {one.name for one in every}, suggested, 2
    while name in taken:
        name, number = f"{suggested} ({number})", number + 1
    typed = st.text_input("Name of the study", key=TITLE, placeholder=name, max_chars=80, persist_state="session")
    return typed.strip() or name


def _start(store: Store, source: FeatureSource, counts: dict[str, int], seed: int, name: str) -> None:
    try:
        Studies(store).check_new(name)
        job = making.start(shared_queue(), store, chosen_name(), FeatureStudy(name, source, PoolSizes(**counts), seed))
    except InputError as error:
        notice.say(str(error))
        return
    shared_queue().wait(job.id, INSTANT)


def _make_answers(store: Store, answers: Labelled, count: int, seed: int, name: str) -> None:
    try:
        state.set_made(Studies(store).create(answers_study(name, answers, count, seed)))
    except InputError as error:
        notice.say(str(error))
