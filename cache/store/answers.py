"""Answers that can be judged, with the prompts they answer: of a file, or kept by a run of the search.

Knows: usual column names, stages of a run. Does not know: judges, pages, terminals.
"""

from __future__ import annotations

from collections.abc import Sequence

from cache.store.pairs import Pair, digest
from cache.store.runs import Runs
from core.answers.answer import Answer
from core.answers.judge import ended_of
from core.answers.verdicts import VERDICTS
from core.discovery.runner import STEPS
from core.errors import InputError
from core.prompts.files import PromptFile
from core.text.figures import counted

#: Columns that hold the answer in files people have, most usual first.
USUAL = ("answer", "response", "completion", "generation", "output")


def answer_column(file: PromptFile) -> str | None:
    """The column that holds the answers, by its name; None where no column has a usual name."""
    names = {str(name).strip().lower(): str(name) for name in reversed(list(file.table.columns))}
    return next((names[usual] for usual in USUAL if usual in names), None)


def prompt_column(file: PromptFile, answer: str | None) -> str:
    """The column that holds the prompts, where its name says so or it is the only text beside the answers; else an
    empty name."""
    others = [name for name in file.columns if name != (answer or answer_column(file))]
    if file.sure and file.suggested in others:
        return file.suggested
    return others[0] if len(others) == 1 else ""


def file_answers(file: PromptFile, prompts: str | None = None, answers: str | None = None) -> list[Pair]:
    """Prompts and answers of a file, in order; an answer may be empty. prompts, answers: columns, where they have no
    usual name. Raises InputError."""
    answer = answers or answer_column(file)
    columns = ", ".join(map(str, file.table.columns))
    if answer is None or answer not in file.table:
        wanted = f"“{answers}”" if answers else " or ".join(USUAL)
        raise InputError(
            f"{file.name} has no column {wanted}. Choose the column with the answers (--answer-column on the "
            f"command line). The columns are {columns}."
        )
    prompt = prompts or prompt_column(file, answer)
    if prompt not in file.columns or prompt == answer:
        raise InputError(
            f"{file.name} has no text column “{prompt}” for the prompts next to “{answer}” for the answers. Choose "
            f"a column (--prompt-column on the command line). The columns are {columns}."
        )
    pairs = [Pair(*row) for row in file.table[[prompt, answer]].itertuples(index=False, name=None)]
    blank = [
        number for number, pair in enumerate(pairs, 1) if not isinstance(pair.prompt, str) or not pair.prompt.strip()
    ]
    if blank:
        raise InputError(
            f"{counted(len(blank), 'row')} of {file.name} without a prompt (the first is row {blank[0]:,}). Write the "
            "prompt, or remove the row."
        )
    for number, pair in enumerate(pairs, 1):
        if not all(isinstance(text, str) for text in pair):
            raise InputError(f"Row {number} of {file.name} has no prompt or no answer. Write “” for an empty answer.")
        if any("\ud800" <= character <= "\udfff" for text in pair for character in text):
            raise InputError(f"Row {number} of {file.name} has half a surrogate pair. Remove or correct the row.")
    return pairs


def file_verdicts(file: PromptFile) -> tuple[str, ...]:
    """The known verdict of each row, from a column “verdict” or “label”, empty where it has none. A column that holds
    no verdict at all is about something else; one that holds verdicts and other words is an InputError."""
    names = {str(name).strip().lower(): str(name) for name in file.table.columns}
    for name in ("verdict", "label"):
        if name in names:
            found = tuple(text.strip().lower() for text in file.table[names[name]].fillna("").astype(str))
            odd = [number for number, text in enumerate(found, 1) if text not in (*VERDICTS, "")]
            if not odd:
                return found
            if any(text in VERDICTS for text in found):
                raise InputError(
                    f"Row {odd[0]:,} of {file.name} has “{found[odd[0] - 1]:.40}” in the column “{names[name]:.40}”, "
                    f"which is no verdict. Write one of {', '.join(VERDICTS)}, or nothing, or rename the column."
                )
    return ("",) * len(file.table)


def run_answers(runs: Runs, run: str) -> dict[str, list[Pair]]:
    """The answers that a run of the search kept: “stage, harmful” → its answers, in order.

    Screening answers are of the unedited model, later stages' of the model under the edits they tried. Raises
    InputError where the run kept none.
    """
    inputs, ledger = runs.inputs(run), runs.ledger(run)
    found: dict[str, list[Pair]] = {}
    for stage in STEPS:
        for item, row in ledger.read(stage.name).items():
            # A prompt that was dropped before it was asked (repeated, too long) has an empty answer that nobody gave.
            if "answer" in row.value and row.value.get("reason", "complied") in VERDICTS:
                part = found.setdefault(f"{stage.title}, {item.partition('/')[0]}", [])
                part.append(Pair(inputs.text(item), Answer(row.value["answer"], row.value.get("ended"))))
    if not found:
        raise InputError(
            f"Run {run} has no stored answers. A run stores them only if you start it with “Keep answers” (on the "
            "command line: --set keep_answers=true)."
        )
    return found


def all_of(parts: dict[str, list[Pair]]) -> list[Pair]:
    """The answers of every part, one list."""
    return [pair for part in parts.values() for pair in part]


def sentence_on_ends(pairs: Sequence[Pair]) -> str:
    """What must be said where nobody knows how some answers ended, which rules ask for; empty where all is known."""
    unknown = ended_of([pair.answer for pair in pairs]).count(None)
    if not unknown:
        return ""
    return (
        f"Whether {counted(unknown, 'answer')} ended without being cut off is not known. Rules ask for that in short "
        "answers and code, so their verdicts can differ from those of whoever wrote the answers."
    )


def sentence_on_repeated(count: int) -> str:
    """What must be said where so many answers stand there once more, with the same prompt."""
    repeat = f"{counted(count, 'answer')} {'repeats an earlier one' if count == 1 else 'repeat earlier ones'}"
    return f"{repeat} to the same prompt, word for word. Each counts once."


def is_unedited(part: str) -> bool:
    """Whether a part of a run's answers was given by the unedited model."""
    return part.startswith(STEPS[0].title)


def digest_of(pairs: Sequence[Pair]) -> str:
    """Which answers these are, whatever they are called: sha256, hexadecimal."""
    return digest("".join(key for pair in pairs for key in pair.key))
