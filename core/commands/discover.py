"""`hydrascope discover`: run the paper's three-stage search over many prompts, kept in the store as it goes.

Knows: files of prompts, the store, how a run ends. Does not know: stages.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from core.commands import shards, workers
from core.commands.exit_codes import ExitCode
from core.commands.given_settings import settings_given
from core.commands.options import DEMO, add_judge, add_model, add_reference, add_thinking, refuse_empty, refuse_unused
from core.commands.outputs import check_out_folder, write_tables
from core.commands.storage import store_or_ending
from core.commands.terminal import note, progress_bar, run_progress
from core.errors import InputError
from core.text.figures import counted

if TYPE_CHECKING:
    from cache.store.runs import Runs
    from core.card.run import Repeat
    from core.discovery.context import Inputs, Work
    from core.discovery.settings import Settings
    from core.engine import Engine

SUMMARY = "run the paper's three-stage search over many prompts"
EXAMPLE = "hydrascope discover --harmful mine.csv --benign plain.txt --stages 1,2 --out results"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser, default=None)
    files = "a txt, csv, tsv, json, jsonl or parquet file (default: the model's held-out prompts)"
    parser.add_argument("--harmful", metavar="FILE", help=files)
    parser.add_argument("--benign", metavar="FILE", help=files)
    parser.add_argument("--column", help="the column with the prompts in --harmful, if there are several columns")
    parser.add_argument("--benign-column", help="the column with the prompts in --benign")
    parser.add_argument(
        "--plain", metavar="FILE", help="plain texts for the cross-entropy, instead of the shipped texts"
    )
    add_reference(parser)
    parser.add_argument("--stages", metavar="N,…", help="1, or 1,2, or 1,2,3 (default)")
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="change a setting; the value is JSON"
    )
    parser.add_argument("--name", help="a name for the run")
    parser.add_argument(
        "--compute-direction",
        action="store_true",
        help="if the model has no refusal direction yet, compute it first from the bundled prompts",
    )
    add_judge(parser)
    add_thinking(parser)
    parser.add_argument("--resume", metavar="ID", help="resume a run with its stored prompts and settings")
    parser.add_argument(
        "--repeat",
        metavar="CARD",
        help="repeat the run of a card: its model, prompts, settings and judge; with --resume, one that was stopped",
    )
    parser.add_argument(
        "--stability",
        metavar="RUN",
        nargs="+",
        help="compare finished runs of one model with other SAEs, instead of starting a run",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="the folder for the tables: CSV, Parquet, JSON, Markdown"
    )
    workers.add_arguments(parser)
    shards.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Begin or resume a run and carry it out. Raises InputError and what `load` raises."""
    from cache.store.provenance import other_versions, unchecked
    from cache.store.runs import Runs
    from core.engine import load

    _check(options)
    if options.action == "merge":
        return shards.merge_shards(options.folder)
    if options.stability:
        return _compare(options.stability, options.out)
    repeat = _repeat(options) if options.repeat else None
    store = (
        None if options.shard else store_or_ending("The run was not started, because its results could not be kept.")
    )
    if isinstance(store, ExitCode):
        return store
    model = repeat.source.model if repeat else options.model
    if model is None:  # before anything is loaded: a run goes on with its own model only
        model = Runs(store).get(options.resume).model if store and options.resume else DEMO
    # Where workers compute, this process needs the model for its tokenizer and facts alone, and leaves GPUs to them.
    device = "cpu" if options.ray else None
    with progress_bar() as progress:
        engine = load(model, device, progress=progress)
    if repeat:
        engine, notes = repeat.prepared(engine)
        for sentence in notes:
            note(sentence)
    engine = engine.with_thinking(True) if options.thinking else engine
    if store is None:
        return shards.run_shard(engine, *_asked(engine, options), options)
    runs = Runs(store)
    identifier = options.resume
    if not identifier:
        asked = (repeat.inputs, repeat.settings) if repeat else _asked(engine, options)
        name = options.name or (repeat.name if repeat else "")
        judge = repeat.judge if repeat else options.judge or ""

    def work() -> Work:
        """As workers are told of it. Their number format and device are compared when they are there."""
        if not identifier:
            return runs.draft(engine, *asked, judge)
        return runs.work(identifier, engine, runs.get(identifier).computed_on)

    try:
        with workers.hands_for(options, work) as hands:
            identifier = identifier or runs.create(engine, *asked, name, judge, hands.computed_on)
            note(f"Run {identifier}")
            if options.resume:
                for about in (unchecked, other_versions):
                    if sentence := about(f"Run {identifier}", runs.get(identifier)):
                        note(sentence)
            failed = _carry_out(runs, engine, identifier, options.out, hands)
    except KeyboardInterrupt:
        if not identifier:
            raise
        note(f"Stopped. All results so far are kept. Continue with --resume {identifier}")
        return ExitCode.INTERRUPTED
    print(f"Run {identifier} is finished" + (f"; {failed} rows failed. See the table of failures." if failed else "."))
    return ExitCode.PARTLY if failed else ExitCode.DONE


def _check(options: argparse.Namespace) -> None:
    """Raises InputError for options that do nothing together, before anything is loaded."""
    begins = ["harmful", "benign", "plain", "column", "benign_column", "reference", "set", "judge", "name", "thinking"]
    begins += ["compute_direction"]
    words = ["harmful", "benign", "plain", "reference", "judge", "model", "resume", "repeat"]
    refuse_empty(options, *words, "column", "benign_column")
    where = ["model", "ray", "workers", "threads"]
    if options.action == "merge":
        others = ["resume", "repeat", "stages", "stability", "shard", "out"]
        refuse_unused(options, "with merge, which takes everything from the folder", *begins, *where, *others)
    if options.stability:
        refuse_unused(options, "with --stability", *begins, *where, "shard", "resume", "repeat", "stages")
    if options.shard:
        refuse_unused(options, "with --shard, whose work is done in one process", *where[1:])
    if options.resume:
        refuse_unused(options, "with --resume, which takes everything from the run", *begins, "stages")
    if not options.harmful:
        refuse_unused(options, "without --harmful", "column")
    if not options.benign:
        refuse_unused(options, "without --benign", "benign_column")
    check_out_folder(options.out, options.harmful, options.benign, options.plain, options.reference, options.repeat)


def _repeat(options: argparse.Namespace) -> Repeat:
    """What the card asks for. Raises InputError for a card of something else, and for options that it decides."""
    from core.card.read import read_card
    from core.card.run import Repeat

    decided = ("model", "harmful", "benign", "plain", "reference", "set", "stages", "judge", "thinking")
    refuse_unused(options, "with --repeat, which takes everything from the card", *decided, "compute_direction")
    return Repeat(read_card(options.repeat))


def _compare(chosen: list[str], out: Path | None) -> int:
    """How much of what these runs found is the same, printed and, where asked, written. Raises InputError."""
    from cache.store.runs import Runs
    from cache.store.stability import compare_runs
    from core.discovery.tables.export import markdown_table
    from core.statistics import HOW

    store = store_or_ending("The runs in it cannot be read.")
    if isinstance(store, ExitCode):
        return store
    with progress_bar() as progress:
        found = compare_runs(Runs(store), chosen, progress)
    print(f"{markdown_table(found.frame)}\n\n{found.note}")
    if out is not None:
        write_tables([found], {"runs": " ".join(chosen), "intervals": HOW}, out)
        note(f"{out} written")
    return ExitCode.DONE


def prompts_in(
    path: str, column: str | None, engine: Engine, prose: bool = False
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The prompts in a file that can be used, and prompt → category where it has categories; how it was read, and what
    was left out, is noted. Raises InputError."""
    from core.prompts.checked import check_list
    from core.prompts.public_sets import read_local

    checked = check_list(read_local(path, column), engine.tokenizer, engine.context_length, prose=prose).some()
    for sentence in checked.notes():
        note(sentence)
    return checked.found.rows, checked.found.category_of()


def _asked(engine: Engine, options: argparse.Namespace) -> tuple[Inputs, Settings]:
    """The prompts and settings that were given. Raises InputError where they make no sense."""
    from core.discovery.context import Inputs
    from core.discovery.settings import Settings
    from core.prompts.categories import categories_of, shipped_category_of
    from core.prompts.lists_apart import lists_apart
    from core.prompts.references import read_reference_file, references_for, shipped_references
    from core.prompts.shipped import held_out_file, plain_texts

    def given_or_shipped(kind: str, file: str | None, column: str | None) -> tuple[Sequence[str], dict[str, str]]:
        path = engine.spec.prompts
        return (
            prompts_in(file, column, engine)
            if file
            else (held_out_file(path, engine.spec.name, kind), shipped_category_of(path))
        )

    harmful, category_of = given_or_shipped("harmful", options.harmful, options.column)
    benign, _ = given_or_shipped("benign", options.benign, options.benign_column)
    apart = lists_apart(harmful, benign)
    if apart.said:
        note(apart.said)
    harmful, benign = apart.harmful, apart.benign
    plain = prompts_in(options.plain, None, engine, prose=True)[0] if options.plain else plain_texts()
    given = read_reference_file(options.reference) if options.reference else []
    references = references_for(harmful, given, shipped_references(engine.spec.references))
    if given:
        used = len(set(given) & set(references))
        if not used:
            raise InputError(
                "The file of --reference has no line for any of the harmful prompts. Add some, or leave the option out."
            )
        note(f"{used:,} of {counted(len(given), 'reference answer')} belong to harmful prompts; the others are unused.")
    inputs = Inputs(harmful, benign, tuple(plain), references, categories_of(harmful, category_of))
    settings = Settings.from_values(settings_given(options.stages, options.set))
    if not engine.has_direction:
        _compute_direction(engine, options.compute_direction)
    return inputs, settings


def _compute_direction(engine: Engine, wanted: bool) -> None:
    """For a model without a direction. Raises InputError where it was not asked for, or none is found."""
    if not wanted:
        raise InputError(
            f"“{engine.spec.name}” has no refusal direction yet, and the search needs one. Add --compute-direction to "
            "compute it first from the bundled prompts, which takes a few minutes on a CPU."
        )
    with progress_bar() as progress:
        found = engine.compute_direction(progress=progress)
    note(f"The refusal direction was computed and kept. It is read at layer {found.layer}.")


def _carry_out(runs: Runs, engine: Engine, identifier: str, out: Path | None, hands: workers.Hands) -> int:
    """Do what is left of a run and write its tables. Returns how many rows say that they failed."""
    from core.discovery.runner import run_steps
    from core.discovery.tables.report import failed, tables

    work = runs.work(identifier, engine, hands.computed_on)
    runs.set_state(identifier, "running")
    try:
        with closing(work.judge), run_progress() as progress:
            run_steps(work, progress=progress, crew=hands.crew)
    except BaseException as error:
        runs.set_state(identifier, "stopped" if isinstance(error, KeyboardInterrupt) else "failed", str(error)[:500])
        raise
    finally:
        if out is not None:
            write_tables(tables(work.ledger, work.settings), runs.facts(identifier), out)
    runs.set_state(identifier, "finished")
    return failed(work.ledger)
