"""`hydrascope labels`: labels made on prompts, or fetched from Neuronpedia, without a browser.

Knows: which prompts are read, the store. Does not know: how a label is made.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from core.commands.exit_codes import ExitCode
from core.commands.options import add_model, refuse_unused
from core.commands.storage import store_or_ending
from core.commands.terminal import note, progress_bar
from core.errors import InputError
from core.text.layers import layers_option

if TYPE_CHECKING:
    from cache.store.labels import NeuronpediaLabels
    from core.edits.edits import Feature
    from core.engine import Engine
    from core.labels.notes import Labels

SUMMARY = "label features, from prompts or from Neuronpedia"
EXAMPLE = "hydrascope labels --model gemma-2-2b-it --neuronpedia --layers 2-16"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    model = "(default, without --neuronpedia: the model's shipped prompts)"
    files = f"a file or a public set whose prompts the labels come from {model}"
    parser.add_argument("--prompts", metavar="NAME_OR_FILE", help=files)
    parser.add_argument("--column", help="the column with the prompts in --prompts, if there are several columns")
    parser.add_argument("--neuronpedia", action="store_true", help="fetch Neuronpedia's labels for every layer in bulk")
    parser.add_argument("--layers", metavar="N,N", help="only these layers, such as 12,13 or 2-16")


def run(options: argparse.Namespace) -> int:
    """Make and fetch what is asked for. Raises InputError, DownloadError, AssetError.

    Interrupted, it keeps what is whole: layers, and bulk files; the same command goes on from there.
    """
    from core.engine import load

    if options.prompts is None:
        refuse_unused(options, "without --prompts", "column")
    layers_option(options.layers)
    with progress_bar() as progress:
        engine = load(options.model, progress=progress)
    if options.neuronpedia:
        store = store_or_ending("No labels were fetched, because they could not be kept.")
        if isinstance(store, ExitCode):
            return store
    try:
        return ExitCode.DONE if _label(engine, options) else ExitCode.PARTLY
    except KeyboardInterrupt:
        note("Stopped. Complete files are kept. Run the same command again to continue.")
        return ExitCode.INTERRUPTED


def _label(engine: Engine, options: argparse.Namespace) -> bool:
    """Whether all that was asked for could be had."""
    from cache.store.database import shared_store
    from cache.store.labels import NeuronpediaLabels, labels_of, made_folder
    from core.labels.making import make_labels
    from core.labels.sample import sample_of

    spec, whole, layers = engine.spec, True, layers_option(options.layers) or None
    there = NeuronpediaLabels(shared_store, spec.neuronpedia)
    known = labels_of(engine, there)  # which reads again whatever is fetched or made meanwhile
    if options.neuronpedia:
        whole = _fetch(engine, there, layers)
    if options.prompts is not None or not options.neuronpedia:
        prompts = _prompts(engine, options.prompts, options.column)
        if known.left_out:
            print(known.left_out)
        with progress_bar() as progress:
            made = make_labels(engine, sample_of(engine, prompts), made_folder(spec.name), layers, progress)
        print(f"Labels made for layers {_listed(made.made)}; already stored: {_listed(made.here)}.")
        if hidden := _hidden(engine, known, {*made.made, *made.here}):
            print(hidden)
    of = sum(engine.widths.values())
    print(
        f"{spec.name} has labels for {sum(bool(known.label(f)) for f in _features(engine)):,} of its {of:,} features."
    )
    return whole


def _features(engine: Engine) -> Iterator[Feature]:
    from core.edits.edits import Feature

    return (Feature(layer, index) for layer, width in engine.widths.items() for index in range(width))


def _hidden(engine: Engine, known: Labels, layers: Collection[int]) -> str:
    """How many labels made here are not shown, because another source has one; empty where all are."""
    *others, mine = known.sources
    made = [f for f in _features(engine) if f.layer in layers and mine.label(f)]
    behind = sum(any(source.label(feature) for source in others) for feature in made)
    if not behind:
        return ""
    return (
        f"{behind:,} of the {len(made):,} labels made here are not shown, because those that come with the model, or "
        "Neuronpedia's, stand before them."
    )


def _fetch(engine: Engine, there: NeuronpediaLabels, layers: Collection[int] | None) -> bool:
    """Every source of the chosen layers, one after the other."""
    known = {n: s for n, s in sorted(engine.spec.neuronpedia.items()) if n in engine.widths}
    sources = {n: s for n, s in known.items() if layers is None or n in layers}
    if not sources:
        raise InputError(
            f"“{engine.spec.name}” has no Neuronpedia source for these layers. Make labels from your own prompts "
            "with --prompts FILE."
        )
    whole = True
    for layer, source in sources.items():
        with progress_bar() as progress:
            bulk = there.fetch(source, engine.widths[layer], progress)
        print(bulk.sentence())
        whole = whole and bulk.complete
    return whole


def _prompts(engine: Engine, name_or_file: str | None, column: str | None) -> Sequence[str]:
    """What is read for the labels: a file, a public set, or the model's own held-out prompts."""
    from core.prompts.checked import check_list
    from core.prompts.public_sets import load_set
    from core.prompts.shipped import held_out, read_shipped

    if name_or_file is None:
        if engine.spec.prompts is None:
            raise InputError(f"“{engine.spec.name}” has no shipped prompts. Give a file with --prompts FILE.")
        shipped = read_shipped(engine.spec.prompts)
        return [*held_out(shipped, "harmful"), *held_out(shipped, "benign")]
    with progress_bar() as progress:
        found = load_set(name_or_file, column=column, progress=progress)
    checked = check_list(found, engine.tokenizer, engine.context_length).some()
    print("\n".join(checked.notes()))
    return checked.found.rows


def _listed(layers: Sequence[int]) -> str:
    return ", ".join(map(str, layers)) or "none"
