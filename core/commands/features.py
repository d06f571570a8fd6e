"""`hydrascope features`: what a set of features is about, as tables.

Knows: where features, prompts and labels are read from, what is printed. Does not know: how anything is tested.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.commands.exit_codes import ExitCode
from core.commands.options import add_model, refuse_empty, refuse_unused
from core.commands.outputs import check_out_folder, write_tables
from core.commands.storage import opened_store
from core.commands.terminal import note, progress_bar
from core.errors import InputError
from core.text.json_text import json_text
from core.text.reasons import reason_of

if TYPE_CHECKING:
    from core.edits.edits import Feature
    from core.engine import Engine
    from core.prompts.categories import Labelled
    from core.prompts.sources import PartKind
    from core.semantics.about import About

SUMMARY = "say what features are about: categories, roles, groups, and what their labels are worth"
EXAMPLE = "hydrascope features --prompts coconot --contrast coconot --out about"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--features", metavar="LAYER-INDEX,…", help="these features, such as 12-40,14-7")
    parser.add_argument("--run", metavar="ID", help="the features of a run's minimal sets")
    parser.add_argument(
        "--list",
        metavar="FILE",
        type=Path,
        help="a list as Neuronpedia's, JSON (default, without any of the three: the model's example run)",
    )
    parser.add_argument(
        "--prompts",
        metavar="NAME_OR_FILE",
        help="harmful prompts with categories: a file or a public set (default: the model's held-out prompts)",
    )
    parser.add_argument("--contrast", metavar="NAME_OR_FILE", help="prompts like them that should be answered")
    parser.add_argument("--column", help="the column with the prompts in --prompts, if there are several columns")
    parser.add_argument("--category-column", help="the column with the categories, if its name does not show it")
    parser.add_argument("--contrast-column", help="the column with the prompts in --contrast")
    parser.add_argument("--category", metavar="NAME", action="append", default=[], help="only this category; repeat")
    parser.add_argument("--most", type=int, metavar="N", help="at most so many prompts of each category")
    parser.add_argument(
        "--write-labels",
        metavar="MODEL",
        help="also let this chat model write a one-sentence label of each feature, and score it (any name listed by "
        "`hydrascope models`)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of Markdown")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="the folder for the tables: CSV, Parquet, JSON, Markdown"
    )


def run(options: argparse.Namespace) -> int:
    """Read, test, print. Raises InputError, DownloadError, AssetError."""
    from core.discovery.tables.export import as_json, markdown
    from core.engine import load
    from core.semantics.tables import about_tables

    prompts_asked(options)
    with progress_bar() as progress:
        engine = load(options.model, progress=progress)
    name, features = _features(engine, options)
    prompts, writer = _prompts(engine, options), _writer(engine, options.write_labels)
    found = _read(engine, name, features, prompts, writer)
    tables, facts = about_tables(found), _facts(engine, found)
    print(as_json(tables, facts) if options.json else markdown(tables, facts, "What the features are about"))
    if options.out is not None:
        write_tables(tables, facts, options.out, "What the features are about")
        note(f"{options.out} written")
    return ExitCode.DONE


def prompts_asked(options: argparse.Namespace) -> None:
    """Raises InputError for options that do not go together, before anything is loaded."""
    refuse_empty(options, "features", "run", "prompts", "contrast", "write_labels")
    if sum(map(bool, (options.features, options.run, options.list))) > 1:
        raise InputError("--features, --run and --list name the features in three ways. Use one of them.")
    if options.contrast and not options.prompts:
        raise InputError("--contrast goes with --prompts. Name the harmful prompts too, or leave both out.")
    if not options.prompts:
        refuse_unused(options, "without --prompts", "column", "category_column")
    if not options.contrast:
        refuse_unused(options, "without --contrast", "contrast_column")
    check_out_folder(options.out, options.prompts, options.contrast, options.list)
    if options.most is not None and options.most < 1:
        raise InputError(f"--most is {options.most}. Use at least 1.")


def _features(engine: Engine, options: argparse.Namespace) -> tuple[str, Sequence[Feature]]:
    """What the set is called, and its features."""
    from core.edits.text import read_features
    from core.edits.typed import from_neuronpedia
    from core.semantics.lists import read_list

    if options.features:
        return "given", read_features(from_neuronpedia(options.features, engine.spec.neuronpedia))
    if options.list:
        try:
            text = options.list.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{options.list} cannot be read ({reason_of(error)}). Give a JSON file.") from error
        found = read_list(text, engine.spec, options.list.name)
        return found.name or "list", found.features
    return _of_a_run(engine, options.run)


def _of_a_run(engine: Engine, run: str | None) -> tuple[str, Sequence[Feature]]:
    """The features of a run's minimal sets; of the example run that is shipped with the model when None."""
    from cache.store.provenance import check_files
    from cache.store.run_file import add_run
    from cache.store.runs import Runs
    from core.discovery.found import minimal_features

    store = opened_store()
    if run is None:
        if engine.spec.example_run is None or not engine.spec.example_run.is_file():
            raise InputError(
                f"“{engine.spec.name}” has no example run. Name features with --features, --run or --list."
            )
        run = add_run(store, engine.spec.example_run)
    runs = Runs(store)
    about = runs.get(run)
    if about.model != engine.spec.name:
        raise InputError(f"Run {run} is of “{about.model}”. Add --model {about.model}.")
    check_files(f"Run {run}", about, about.model, engine.runtime.digests)
    return "minimal sets", minimal_features(runs.ledger(run))


def _prompts(engine: Engine, options: argparse.Namespace) -> Labelled:
    """The labelled list. Raises InputError, DownloadError."""
    from core.prompts.categories import from_lists, from_shipped
    from core.prompts.checked import check_list
    from core.prompts.public_sets import PromptList, find_set, load_set, set_names
    from core.prompts.shipped import read_shipped

    if options.prompts is None:
        if engine.spec.prompts is None:
            raise InputError(f"“{engine.spec.name}” has no shipped prompts. Give a list with --prompts.")
        found = from_shipped(read_shipped(engine.spec.prompts), options.category)
    else:
        with progress_bar() as progress:
            harmful = load_set(options.prompts, None, options.column, progress, options.category_column)
            contrast = None
            if options.contrast:
                public = options.contrast.strip().lower() in set_names()
                look_alike = public and "look-alike" in find_set(options.contrast).kinds
                kind: PartKind | None = "look-alike" if look_alike else None
                contrast = load_set(options.contrast, kind, options.contrast_column, progress)

        def checked(given: PromptList) -> PromptList:
            read = check_list(given, engine.tokenizer, engine.context_length).some()
            for sentence in read.notes():
                note(sentence)
            return read.found

        found = from_lists(checked(harmful), checked(contrast) if contrast else None, options.category)
    return found if options.most is None else found.first(options.most)


def _writer(engine: Engine, name: str | None) -> Engine | None:
    """The model that writes labels: the one that is loaded where it is the same. Raises as `core.load`."""
    from core.engine import load

    if name is None or name == engine.spec.name:
        return engine if name else None
    with progress_bar() as progress:
        return load(name, progress=progress)


def _read(engine: Engine, name: str, features: Sequence[Feature], prompts: Labelled, writer: Engine | None) -> About:
    from cache.store.database import shared_store
    from cache.store.labels import NeuronpediaLabels, labels_of
    from core.semantics.about import read_about

    labels = labels_of(engine, NeuronpediaLabels(shared_store, engine.spec.neuronpedia))
    if labels.left_out:
        note(labels.left_out)
    with progress_bar() as progress:
        found = read_about(engine, prompts, name, features, labels, writer=writer, progress=progress)
    assert found is not None  # nobody cancels it
    return found


def _facts(engine: Engine, found: About) -> dict[str, str]:
    """What stands with every table."""
    spec = engine.spec
    return {
        "model": f"{spec.name} ({spec.revision})" if spec.revision else spec.name,
        "number format": engine.placement,
        "SAEs": json_text(engine.reader.sae_names),
        "direction": engine.direction().key if engine.has_direction else "none",
        "prompts": f"{found.prompts.origin} ({found.prompts.digest})",
        **({"sentences by": found.written.by} if found.written else {}),
        **({"label scores": found.scored_on} if found.scored_on else {}),
    }
