"""Which answers to judge: those a run of the search kept, a file’s, or the labelled ones; a few shown as they are.

Knows: the widgets of the choice. Does not know: judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from cache.store.answers import (
    answer_column,
    digest_of,
    file_answers,
    is_unedited,
    run_answers,
    sentence_on_ends,
    sentence_on_repeated,
)
from cache.store.pairs import Pair
from cache.store.runs import Run, Runs
from core import InputError, Verdict
from core.answers.labelled import labelled_answers
from core.models.registry import chosen_name
from core.prompts.files import read_prompts
from pages.shared.runs import run_name
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error
from pages.shared.uploads import uploaded

SOURCE, RUN, PART = "judges_source", "judges_run", "judges_part"
FILE, PROMPTS, ANSWERS = "judges_file", "judges_prompts", "judges_answers"
A_RUN, A_FILE, LABELLED = "A run", "A file", "Labelled answers"
#: Files of answers; a list of prompts alone (txt) holds none.
_ENDINGS = ["csv", "tsv", "json", "jsonl", "parquet"]
#: Rows shown before judging.
_PREVIEW = 5


@dataclass(frozen=True)
class Answers:
    """The answers to judge. key: digest of the answers themselves, whatever they are called. not_first_token: why the
    judge “first-token” cannot judge these, a sentence; empty where it can. labels: what a reader called each answer;
    empty where nobody has read them. categories: those of each answer's prompt; empty where there are none. An answer
    that a file has in several rows stands here once, with the categories of them all; repeated: how many rows that
    leaves out."""

    title: str
    pairs: tuple[Pair, ...]
    key: str
    not_first_token: str = ""
    labels: tuple[Verdict, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()
    repeated: int = 0


def choose_answers(runs: Runs) -> Answers | None:
    """The choice and a preview; None where there is nothing to judge yet."""
    st.subheader("Answers", anchor="answers")
    source = st.segmented_control(
        "Source",
        [A_RUN, A_FILE, LABELLED],
        default=A_RUN if _with_answers(runs) else LABELLED,
        key=SOURCE,
        required=True,
        label_visibility="collapsed",
        persist_state="session",
    )
    try:
        found = _run(runs) if source == A_RUN else _file() if source == A_FILE else _labelled()
    except InputError as error:
        show_error(error)
        return None
    if found is not None:
        if unknown := sentence_on_ends(found.pairs):
            st.caption(unknown)
        if found.repeated:
            st.caption(sentence_on_repeated(found.repeated))
        with st.expander(
            f"{counted(len(found.pairs), 'answer')}: show the first {min(_PREVIEW, len(found.pairs))}",
            icon=":material/table_rows:",
            key="judges_preview",
        ):
            st.dataframe(
                [pair._asdict() for pair in found.pairs[:_PREVIEW]],
                hide_index=True,
                key="judges_preview_rows",
                alt=f"The first {min(_PREVIEW, len(found.pairs))} prompts and answers",
            )
    return found


def _with_answers(runs: Runs) -> dict[str, Run]:
    """The runs that kept their answers."""
    return {run.run: run for run in runs.all() if run.settings.keep_answers}


def _labelled() -> Answers:
    """The test half of the answers that come with the program, with a reader's labels."""
    rows = labelled_answers("test")
    st.caption(
        f"{len(rows)} real answers of two models that no rule was fitted on, each read and labelled in two passes "
        "without its edit in view. Any judge can be compared with these labels. The reader was a developer of this "
        "program (assets/answers/README.md). How an answer ended is not passed on, so κ can differ a little from the "
        "one stated for a judge."
    )
    pairs = [Pair(row["prompt"], row["answer"]) for row in rows]
    reason = "first-token measures the unedited model, but most of these answers were given under edits. Remove it."
    found = _answers("Labelled answers, test half", pairs, reason)
    return replace(found, labels=tuple(row["label"] for row in rows))


def _run(runs: Runs) -> Answers | None:
    """A run's kept answers, of one stage and side, because rates over a mixture mean little."""
    known = _with_answers(runs)
    if not known:
        st.info(
            "No run has stored its answers. On the Discover page, switch on “Keep answers” under Settings before "
            "you start a run, or judge a file.",
            icon=":material/lightbulb:",
        )
        return None
    left, right = st.columns(2, gap="medium")
    with left:
        run = str(
            st.selectbox(
                "Run",
                list(known),
                key=RUN,
                format_func=lambda one: run_name(known[one]),
                persist_state="session",
                help="Search runs that were started with “Keep answers”.",
            )
        )
    parts = run_answers(runs, run)
    with right:
        part = str(
            st.selectbox(
                "Answers of",
                list(parts),
                key=f"{PART}_{run}",
                persist_state="session",
                format_func=lambda one: f"{one} ({len(parts[one]):,})",
                help=(
                    "Screening has the answers of the unedited model. Later stages have the answers under the edits "
                    "that they tried."
                ),
            )
        )
    reason = ""
    if not is_unedited(part):
        reason = "first-token measures the unedited model, but these answers were given under edits. Remove this judge."
    elif known[run].model != chosen_name():
        reason = (
            f"first-token measures the current model, but these answers are from {known[run].model}. Choose that "
            "model on the Models page, or remove this judge."
        )
    inputs = runs.inputs(run)
    # A prompt that stands there twice was asked where it stands first.
    first = dict(reversed(list(zip(inputs.harmful, inputs.categories, strict=True)))) if inputs.categories else {}
    categories = [first.get(pair.prompt, "") for pair in parts[part]]
    return _answers(f"{known[run].name}: {part}", parts[part], reason, categories)


def _file() -> Answers | None:
    """The rows of a file, by the columns that hold prompts and answers."""
    file = uploaded(
        "A file with a prompt and an answer in each row",
        _ENDINGS,
        FILE,
        read_prompts,
        help="Choose its columns below. The file stays on this machine.",
    )
    if file is None:
        return None
    if file.warning:
        st.warning(plain(file.warning), icon=":material/warning:")
    names = [str(name) for name in file.table.columns]
    usual = answer_column(file)
    st.caption(f"Read as {plain(file.read_as)}, {counted(len(file.table), 'row')}.")
    if len(names) < 2:
        file_answers(file)  # raises with what is missing
    first = file.suggested if file.suggested != usual else next(name for name in file.columns if name != usual)
    left, right = st.columns(2, gap="medium")
    mark = abs(hash(tuple(names)))
    with left:
        prompts = st.selectbox(
            "Column with the prompts",
            file.columns,
            index=file.columns.index(first),
            key=f"{PROMPTS}_{mark}",
            persist_state="session",
        )
    with right:
        answers = st.selectbox(
            "Column with the answers",
            names,
            index=names.index(usual) if usual else None,
            key=f"{ANSWERS}_{mark}",
            placeholder="Choose the column",
            persist_state="session",
        )
    if answers is None:
        st.info(
            "No column is called answer, response or the like. Choose the column with the answers.",
            icon=":material/lightbulb:",
        )
        return None
    pairs = file_answers(file, str(prompts), str(answers))
    return _answers(file.name, pairs, categories=file.categories())


def _answers(title: str, pairs: list[Pair], not_first_token: str = "", categories: Sequence[str] = ()) -> Answers:
    """categories: of each pair, empty for none; nothing at all where there are none."""
    names: dict[Pair, dict[str, None]] = {pair: {} for pair in pairs}
    for pair, name in zip(pairs, categories or [""] * len(pairs), strict=True):
        names[pair].update({name: None} if name else {})
    found = Answers(title, tuple(names), digest_of(list(names)), not_first_token, repeated=len(pairs) - len(names))
    return replace(found, categories=tuple(map(tuple, names.values()))) if any(names.values()) else found
