"""`hydrascope judge`: answers of a file or of a run, judged, kept in the store, and two judges compared.

Knows: what is printed and written. Does not know: how files and runs are read (`cache.store.answers`), or how a judge
judges. One judge's model is unloaded before the next is loaded, on workers too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from core.answers.names import RULES, WORDINGS
from core.commands import workers
from core.commands.exit_codes import ExitCode
from core.commands.options import add_model, refuse_unused
from core.commands.outputs import check_out, write_out
from core.commands.storage import store_or_ending
from core.commands.terminal import note, progress_bar
from core.errors import InputError
from core.judges.names import FIRST_TOKEN, NEED_ENGINE, names_text
from core.progress import Progress
from core.text.json_text import json_text

if TYPE_CHECKING:
    from cache.store.database import Store
    from cache.store.judgements import Judgements
    from cache.store.pairs import Pair
    from core.answers.judge import Judge, Judgement
    from core.judges.agreement import Agreement

SUMMARY = "judge answers by rules, a classifier or a language model, and measure how far two judges agree"
EXAMPLE = "hydrascope judge --agreement substrings harmbench-mistral --file answers.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--judge", metavar="NAME", help=names_text())
    parser.add_argument(
        "--agreement",
        metavar="NAME",
        nargs=2,
        help="compare two judges on all stored answers, or on those of --file or --run",
    )
    parser.add_argument("--file", help="a csv, tsv, json, jsonl or parquet file with prompts and answers")
    parser.add_argument("--prompt-column", help="the column with the prompts in --file, if its name does not show it")
    parser.add_argument("--answer-column", help="the column with the answers in --file")
    parser.add_argument("--run", metavar="ID", help="judge the answers that a search run has stored")
    parser.add_argument("--folder", metavar="DIR", type=Path, help="a local copy of the judge's model")
    add_model(parser, "the model that rules and first-token ask")
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best available)")
    parser.add_argument(
        "--keep-answers", action="store_true", help="also store the text of the answers, not only their hash"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="the file to write: a JSON line for each answer, or the agreement as JSON",
    )
    workers.add_arguments(parser, "judge")


def run(options: argparse.Namespace) -> int:
    """Judge or compare. Raises InputError, AssetError, DownloadError."""
    from cache.store.answers import sentence_on_ends
    from cache.store.judgements import Judgements
    from core.judges.agreement import compare

    _check(options)
    store = store_or_ending("Nothing was judged, because the judgements could not be kept.")
    if isinstance(store, ExitCode):
        return store
    kept = Judgements(store)
    if options.agreement and not (options.file or options.run):
        both = kept.both(*options.agreement)
        _compared(options, compare(both.first, both.second), both.revisions)
        return ExitCode.DONE
    pairs = _pairs(store, options)
    if {RULES, WORDINGS} & {options.judge, *(options.agreement or ())} and (unknown := sentence_on_ends(pairs)):
        note(unknown)
    found = {name: _judged(kept, name, pairs, options) for name in options.agreement or [options.judge]}
    if options.agreement:
        first, second = (found[name] for name in options.agreement)
        once = [_each_once(pairs, judged) for _, judged in (first, second)]
        _compared(options, compare(*once), (first[0], second[0]))
    elif options.out:
        _write(options, pairs, found)
    return ExitCode.DONE


def _check(options: argparse.Namespace) -> None:
    """Raises InputError for options that contradict each other or leave something open."""
    if options.agreement and (options.judge or options.folder):
        raise InputError("--agreement already names two judges. Leave out --judge and --folder.")
    if not options.agreement and not options.judge:
        raise InputError("No judge was given. Use --judge NAME or --agreement NAME NAME.")
    if options.file and options.run:
        raise InputError("--file and --run cannot be used together. Leave out one of them.")
    if options.judge and not (options.file or options.run):
        raise InputError("No answers were given. Use --file FILE, or --run ID for the answers that a run has stored.")
    if not options.file:
        refuse_unused(options, "without --file", "prompt_column", "answer_column")
    if not (options.file or options.run):
        stored = "where two judges are compared on what is stored"
        refuse_unused(options, stored, "keep_answers", "device", "ray", "workers", "threads")
    workers.check(options)
    if options.run and FIRST_TOKEN in (options.judge, *(options.agreement or ())):
        raise InputError(
            "first-token measures the unedited model, but a run's answers were given under edits. Use first-token "
            "with a file instead."
        )
    check_out(options.out, options.file)


def _pairs(store: Store, options: argparse.Namespace) -> list[Pair]:
    from cache.store.answers import all_of, answer_column, file_answers, prompt_column, run_answers
    from cache.store.runs import Runs
    from core.prompts.files import read_file

    if options.run:
        return _told(all_of(run_answers(Runs(store), options.run)))
    file = read_file(options.file)
    if file.warning:
        note(file.warning)
    pairs = file_answers(file, options.prompt_column, options.answer_column)
    asked = options.prompt_column or prompt_column(file, options.answer_column)
    print(file.sentence(asked, options.answer_column or answer_column(file) or ""))
    return _told(pairs)


def _told(pairs: list[Pair]) -> list[Pair]:
    from cache.store.answers import sentence_on_repeated

    if repeated := len(pairs) - len(set(pairs)):
        note(sentence_on_repeated(repeated))
    return pairs


def _each_once(pairs: Sequence[Pair], found: Sequence[Judgement]) -> list[Judgement]:
    """The judgements of the answers, each answer once, as the store has them."""
    return list(dict(zip(pairs, found, strict=True)).values())


def _judged(
    kept: Judgements, name: str, pairs: Sequence[Pair], options: argparse.Namespace
) -> tuple[str, tuple[Judgement, ...]]:
    """The judge's revision and its judgements, printed in a line."""
    from core.answers.fitted import agreement_sentence
    from core.judges.summary import rates

    prompts, answers = [pair.prompt for pair in pairs], [pair.answer for pair in pairs]
    judged = _judged_here if options.ray is None else _judged_by_workers
    revision, missing, found = judged(kept, name, prompts, answers, options)
    once = _each_once(pairs, found)
    shown = "; ".join(f"{label} {rate}" for label, rate in rates(once).items())  # with intervals
    known = "" if missing == len(once) else f", {len(once) - missing} already stored"
    print(f"{name} ({revision}), {len(once)} answers{known}: {shown or 'nothing to judge'}")
    print(agreement_sentence(name, revision))
    return revision, found


def _judged_here(
    kept: Judgements, name: str, prompts: Sequence[str], answers: Sequence[str], options: argparse.Namespace
) -> tuple[str, int, tuple[Judgement, ...]]:
    """The judge's revision, how many answers it was asked for, and its judgements, by this process."""
    from core.text.sizes import size_text

    with progress_bar() as progress, closing(_made(name, options, progress)) as judge:
        missing = kept.missing(judge, prompts, answers)
        if missing and (taken := judge.footprint()).memory:
            note(f"{name} takes {taken.summary}; {size_text(taken.free)} of memory is free.")
        found = kept.judge(judge, prompts, answers, options.keep_answers, _counting(name))
        return judge.revision, missing, found


def _judged_by_workers(
    kept: Judgements, name: str, prompts: Sequence[str], answers: Sequence[str], options: argparse.Namespace
) -> tuple[str, int, tuple[Judgement, ...]]:
    """The same by workers; a judge that asks a model of the registry is loaded by them alone. None is hired where it is
    known without them that everything is judged."""
    from core.judges.catalogue import find_judge
    from core.models.registry import find_spec
    from core.scale.judging import JudgingJob

    revision = None
    if name in NEED_ENGINE:
        find_spec(options.model)  # an unknown name is reported before anything is started
    else:
        judge = find_judge(name, options.folder, options.device)
        revision = judge.revision
        if not kept.missing(judge, prompts, answers):
            return revision, 0, kept.judge(judge, prompts, answers, options.keep_answers)
    folder = None if options.folder is None else options.folder.absolute()
    with workers.judges_for(options, JudgingJob(name, options.model, folder, options.device), revision) as judges:
        missing = kept.missing(judges, prompts, answers)
        found = kept.judge_by(judges, prompts, answers, options.keep_answers, _counting(name))
        return judges.revision, missing, found


def _counting(name: str) -> Callable[[int, int], None]:
    def count(done: int, of: int) -> None:
        if of:
            note(f"{name}: {done} of {of} judged")

    return count


def _made(name: str, options: argparse.Namespace, progress: Progress) -> Judge:
    from core.engine import load
    from core.judges.catalogue import find_judge

    if name not in NEED_ENGINE:
        return find_judge(name, options.folder, options.device, progress)
    return find_judge(name, options.folder, engine=load(options.model, options.device, progress=progress))


def _compared(options: argparse.Namespace, found: Agreement, revisions: tuple[str, str]) -> None:
    """κ and the table, printed and, where asked, written as one JSON object."""
    first, second = options.agreement
    print(f"{first} ({revisions[0]}) and {second} ({revisions[1]}): {found}")
    print(f"{first} in rows, {second} in columns:\n{found.frame().to_string()}")
    if options.out:
        value = {
            "judges": [first, second],
            "revisions": list(revisions),
            "n": found.n,
            "labels": list(found.labels),
            "table": found.table.tolist(),
            "observed": found.observed,
            "observed_low": found.alike.low,
            "observed_high": found.alike.high,
            "expected": found.expected,
            "kappa": found.kappa,
            "low": found.low,
            "high": found.high,
        }
        write_out(options.out, json_text(value, indent=1) + "\n")


def _write(
    options: argparse.Namespace, pairs: Sequence[Pair], found: Mapping[str, tuple[str, Sequence[Judgement]]]
) -> None:
    """One JSON object a line, in the order of the answers; their text only where it is to be kept."""
    from core.judges.summary import rows

    every = (
        row
        for name, (revision, judgements) in found.items()
        for row in rows(pairs, name, revision, judgements, options.keep_answers)
    )
    write_out(options.out, "".join(json_text(row, ascii_only=False) + "\n" for row in every))
