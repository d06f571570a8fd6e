"""`hydrascope study`: make a study with people, list the studies, and compute their results.

Knows: what is printed and written. Does not know: how a study is made, or how people annotate (the page Study).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from core.commands.exit_codes import ExitCode
from core.commands.options import add_model, refuse_empty, refuse_unused
from core.commands.outputs import check_out, write_out
from core.commands.storage import store_or_ending
from core.commands.terminal import note, progress_bar, stop_on_interrupt, table
from core.errors import Cancelled, InputError
from core.study.sizes import PoolSizes

if TYPE_CHECKING:
    from cache.store.database import Store
    from core.study.from_model import FeatureSource
    from core.study.items import Annotations, Study
    from core.study.making import Labelled

SUMMARY = "ask people what features are about or what answers are, and compute the results"
EXAMPLE = "hydrascope study results pilot --out pilot.json"
#: Field of the pool's sizes → help.
_SIZES = {
    "each": "features of the search for each number of categories",
    "active": "random features that fire on some category",
    "silent": "random features that fire on none",
    "training": "features with known answers to begin with",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    features = actions.add_parser(
        "features", help="set up a study of features; without further options, of 70 of the demo's features"
    )
    features.add_argument("name", help="what the study is to be called")
    add_model(features)
    features.add_argument("--run", metavar="ID", help="take the features that a stored run of the search has found")
    features.add_argument("--features", metavar="LAYER-INDEX,…", help="take all of these features that can be shown")
    for name, about in _SIZES.items():
        default = getattr(PoolSizes(), name)
        features.add_argument(f"--{name}", metavar="N", type=int, default=default, help=f"{about} ({default})")
    features.add_argument(
        "--least",
        metavar="SHARE",
        type=float,
        default=0.0,
        help="the share of a category's prompts on which a feature must fire to have the category (0: one prompt, as "
        "in the paper)",
    )
    answers = actions.add_parser("answers", help="set up a study of answers, with the five verdicts to choose from")
    answers.add_argument("name", help="what the study is to be called")
    answers.add_argument("--file", help="a csv, tsv, json, jsonl or parquet file with prompts and answers")
    answers.add_argument("--prompt-column", help="the column with the prompts in --file, if its name does not show it")
    answers.add_argument("--answer-column", help="the column with the answers in --file")
    answers.add_argument("--run", metavar="ID", help="take the answers that a search run has stored")
    answers.add_argument("--count", metavar="N", type=int, default=70, help="answers, drawn at random (70)")
    for each in (features, answers):
        each.add_argument("--seed", type=int, default=0, help="the seed of the draw and of the order (0)")
    actions.add_parser("list", help="list the studies in the store")
    found = actions.add_parser("results", help="print the results, and write them with every item and every choice")
    found.add_argument("name", help="the study's name")
    found.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="a .json file for the results, items and choices, or a .csv file for items and choices",
    )


def run(options: argparse.Namespace) -> int:
    """Make, list or compute. Raises InputError, UnknownModelError, AssetError, DownloadError."""
    if options.action == "results":
        _check_out(options.out)
    store = store_or_ending("Nothing was done, because studies could not be read or kept.")
    if isinstance(store, ExitCode):
        return store
    match options.action:
        case "features":
            return _features(store, options)
        case "answers":
            return _answers(store, options)
        case "list":
            return _list(store)
        case _:
            return _results(store, options)


def _features(store: Store, options: argparse.Namespace) -> int:
    from cache.jobs.study import create
    from core.engine import load
    from core.study.from_model import FeatureStudy

    sizes = PoolSizes(**{name: getattr(options, name) for name in _SIZES})
    if not 0 <= options.least <= 1:
        raise InputError(f"--least is {options.least:g}. Give a share between 0 and 1.")
    asked = FeatureStudy(options.name, _source(store, options), sizes, options.seed, options.least)
    try:
        with stop_on_interrupt() as interrupted, progress_bar() as progress:
            identifier = create(load(options.model, progress=progress), store, asked, progress, interrupted)
    except Cancelled as stopped:
        note(str(stopped))
        return ExitCode.INTERRUPTED
    return _made(store, identifier)


def _source(store: Store, options: argparse.Namespace) -> FeatureSource:
    """Raises InputError."""
    from cache.jobs.study import source_of_run
    from cache.store.runs import Runs
    from core.edits.text import read_features
    from core.study.from_model import FeatureSource

    refuse_empty(options, "run", "features")
    if options.run and options.features:
        raise InputError("--run and --features cannot be used together. Leave out one of them.")
    if options.features:
        return FeatureSource(read_features(options.features), "features named by hand", whole=True)
    return source_of_run(Runs(store), options.run, options.model) if options.run else FeatureSource()


def _answers(store: Store, options: argparse.Namespace) -> int:
    from cache.store.studies import Studies
    from core.study.making import answers_study

    study = answers_study(options.name, _answers_of(store, options), options.count, options.seed)
    return _made(store, Studies(store).create(study))


def _answers_of(store: Store, options: argparse.Namespace) -> Labelled:
    """Of a run, of a file, or the shipped ones. Raises InputError."""
    from cache.store.answers import all_of, file_answers, file_verdicts, run_answers
    from cache.store.runs import Runs
    from core.prompts.files import read_file
    from core.study.making import Labelled, bundled_answers

    refuse_empty(options, "file", "run")
    if options.file and options.run:
        raise InputError("--file and --run cannot be used together. Leave out one of them.")
    if not options.file:
        refuse_unused(options, "without --file", "prompt_column", "answer_column")
    if options.run:
        pairs = all_of(run_answers(Runs(store), options.run))
        return Labelled(tuple(pairs), ("",) * len(pairs), f"run {options.run}")
    if options.file:
        file = read_file(options.file)
        if file.warning:
            note(file.warning)
        pairs = file_answers(file, options.prompt_column, options.answer_column)
        return Labelled(tuple(pairs), file_verdicts(file), file.name)
    return bundled_answers()


def _made(store: Store, identifier: str) -> int:
    from cache.store.studies import Studies

    study = Studies(store).get(identifier)
    for sentence in study.notes:
        note(sentence)
    training = len(study.items) - len(study.main)
    print(
        f"The study “{study.name}” has {len(study.main)} {study.kind} and {training} for training. Open it with "
        f"`hydrascope run` on the page Study, or by the link /study?study={identifier}&name=NAME."
    )
    return ExitCode.DONE


def _list(store: Store) -> int:
    from cache.store.studies import Studies

    rows = [("name", "about", "items", "annotators", "made", "identifier")]
    rows += [
        (
            one.name,
            one.kind,
            str(one.items),
            ", ".join(one.annotators) or "none yet",
            f"{one.made_at:%Y-%m-%d}",
            one.study,
        )
        for one in Studies(store).all()
    ]
    table(rows)
    return ExitCode.DONE


def _results(store: Store, options: argparse.Namespace) -> int:
    from cache.store.studies import Studies
    from cache.store.study_judges import verdicts_of_judges
    from core.study.results import as_json, results
    from core.study.results_text import lines

    studies = Studies(store)
    identifier = studies.find(options.name)
    study, annotations = studies.get(identifier), studies.annotations(identifier)
    found = results(study, annotations, verdicts_of_judges(store, study))
    print("\n".join(lines(found)))
    if options.out:
        _write(options.out, study, annotations, as_json(found, annotations))
        note(f"{options.out} written")
    return ExitCode.DONE


def _check_out(path: Path | None) -> None:
    if path is not None and path.suffix.lower() not in (".json", ".csv"):
        raise InputError(f"{path.name} does not end in .json or .csv. Choose one of these for the results.")
    check_out(path)


def _write(path: Path, study: Study, annotations: Annotations, whole: str) -> None:
    """Raises InputError where the file cannot be written."""
    from core.study.results import as_csv

    write_out(path, as_csv(study, annotations) if path.suffix.lower() == ".csv" else whole)
