"""`python -m core judge`: answers of a file or of a run, judged, kept in the store, and two judges compared.

Knows: a terminal. Does not know: argument parsing (`core.__main__`), how files and runs are read
(`cache.store.answers`), or how a judge judges. One judge's model is let go before the next is loaded.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import closing

from cache.store.answers import all_of, file_answers, run_answers
from cache.store.database import Store, shared_store
from cache.store.judgements import Judgements, Pair
from cache.store.runs import Runs
from core import InputError, load
from core.hub.errors import size_text
from core.judges import Judge, Judgement, find_judge, first_token_judge
from core.judges.agreement import Agreement, compare
from core.judges.summary import rates, rows
from core.prompts.files import read_file


def judge_answers(options: Namespace) -> int:
    """Carry out what was asked at the prompt; returns the exit code. Raises whatever people are to be told."""
    if options.agreement and (options.judge or options.folder):
        raise InputError("--agreement names its two judges itself; leave --judge and --folder out.")
    if not options.agreement and not options.judge:
        raise InputError("Say which judge: --judge NAME, or --agreement NAME NAME.")
    if options.file and options.run:
        raise InputError("Answers come from --file or from --run, not from both.")
    if options.judge and not (options.file or options.run):
        raise InputError("Say which answers: --file FILE, or --run ID for those a run has kept.")
    store = shared_store()
    if store.trouble:
        print(f"{store.trouble} Judgements must not be lost, so nothing is judged.", file=sys.stderr)
        return 3
    kept = Judgements(store)
    if options.agreement and not (options.file or options.run):
        both = kept.both(*options.agreement)
        _compared(options, compare(both.first, both.second), both.revisions)
        return 0
    pairs = _pairs(store, options)
    found = {name: _judged(kept, name, pairs, options) for name in options.agreement or [options.judge]}
    if options.agreement:
        first, second = (found[name] for name in options.agreement)
        _compared(options, compare(first[1], second[1]), (first[0], second[0]))
    elif options.out:
        _write(options, pairs, found)
    return 0


def _pairs(store: Store, options: Namespace) -> list[Pair]:
    if options.run:
        return all_of(run_answers(Runs(store), options.run))
    file = read_file(options.file)
    if file.warning:
        print(file.warning, file=sys.stderr)
    return file_answers(file, options.prompt_column, options.answer_column)


def _judged(
    kept: Judgements, name: str, pairs: Sequence[Pair], options: Namespace
) -> tuple[str, tuple[Judgement, ...]]:
    """The judge's revision and its judgements, told in a line."""
    prompts, answers = [pair.prompt for pair in pairs], [pair.answer for pair in pairs]
    with closing(_made(name, options)) as judge:
        missing = kept.missing(judge, prompts, answers)
        if missing and (taken := judge.footprint()).memory:
            free = size_text(taken.free)
            print(f"{name} takes {taken.summary}; {free} of memory are free.", file=sys.stderr)

        def told(done: int, of: int) -> None:
            if of:
                print(f"{name}: {done} of {of} judged", file=sys.stderr, flush=True)

        found = kept.judge(judge, prompts, answers, options.keep_answers, told)
        revision = judge.revision
    known = "" if missing == len(set(pairs)) else f", {len(set(pairs)) - missing} known before"
    print(f"{name} ({revision}), {len(found)} answers{known}: {_rates(found)}")
    return revision, found


def _made(name: str, options: Namespace) -> Judge:
    if name != "first-token":
        return find_judge(name, options.folder, options.device, _progress)
    if options.run:
        raise InputError(
            "first-token measures the unedited model, and a run's answers were given under edits; judge a file with it."
        )
    return first_token_judge(load(options.model, options.device))


def _rates(found: Sequence[Judgement]) -> str:
    """How often each label was given, with intervals."""
    return "; ".join(f"{label} {rate}" for label, rate in rates(found).items()) or "nothing to judge"


def _compared(options: Namespace, found: Agreement, revisions: tuple[str, str]) -> None:
    """κ and the table, printed and, where asked, written as one JSON object."""
    first, second = options.agreement
    print(f"{first} ({revisions[0]}) and {second} ({revisions[1]}): {found}")
    print(f"{first} down, {second} across:\n{found.frame().to_string()}")
    if options.out:
        value = {
            "judges": [first, second],
            "revisions": list(revisions),
            "n": found.n,
            "labels": list(found.labels),
            "table": found.table.tolist(),
            "observed": found.observed,
            "expected": found.expected,
            "kappa": found.kappa,
            "low": found.low,
            "high": found.high,
        }
        options.out.write_text(json.dumps({k: None if v != v else v for k, v in value.items()}, indent=1) + "\n")


def _write(options: Namespace, pairs: Sequence[Pair], found: Mapping[str, tuple[str, Sequence[Judgement]]]) -> None:
    """One JSON object a line, in the order of the answers; their text only where it is to be kept."""
    with options.out.open("w", encoding="utf-8") as file:
        for name, (revision, judgements) in found.items():
            for value in rows(pairs, name, revision, judgements, options.keep_answers):
                file.write(json.dumps(value, ensure_ascii=False) + "\n")


def _progress(message: str, share: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{share:4.0%} {message:60s}", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)
