"""`python -m core labels`: labels made on prompts, or fetched from Neuronpedia, without a browser.

Knows: files of prompts, the store, a terminal. Does not know: argument parsing (`core.__main__`), how a label is made.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

from tqdm import tqdm

from cache.jobs.discover import bundled_prompts
from cache.store.database import shared_store
from cache.store.labels import NeuronpediaLabels, labels_of, made_folder
from core import Engine, InputError
from core.labels.making import make_labels, sample_of
from core.prompts.checks import check_prompts
from core.prompts.public_sets import load_set


def label(
    engine: Engine, name_or_file: str | None, column: str | None, neuronpedia: bool, layers: Collection[int] | None
) -> bool:
    """Do what is asked, and tell it. Whether all of it could be had. Raises InputError, DownloadError, AssetError.

    Interrupted, it keeps what is whole: layers, and bulk files; the same command goes on from there.
    """
    spec, whole = engine.spec, True
    there = NeuronpediaLabels(shared_store, spec.neuronpedia)
    if neuronpedia:
        whole = _fetch(engine, there, layers)
    if name_or_file is not None or not neuronpedia:
        prompts = _prompts(engine, name_or_file, column)
        with _Bar() as tell:
            made = make_labels(engine, sample_of(engine, prompts), made_folder(spec.name), layers, tell)
        print(f"Labels made for layers {_listed(made.made)}; already here: {_listed(made.here)}.")
    print(f"{spec.name} has {len(labels_of(spec, there)):,} labels.")
    return whole


def _fetch(engine: Engine, there: NeuronpediaLabels, layers: Collection[int] | None) -> bool:
    """Every source of the chosen layers, one after the other."""
    sources = {n: s for n, s in sorted(engine.spec.neuronpedia.items()) if layers is None or n in layers}
    if not sources:
        raise InputError(
            f"“{engine.spec.name}” names no Neuronpedia source for these layers; make labels on prompts of your own "
            "with --prompts FILE."
        )
    whole = True
    for layer, source in sources.items():
        with _Bar() as tell:
            bulk = there.fetch(source, engine.widths.get(layer, 0), tell)
        print(bulk.sentence())
        whole = whole and bulk.complete
    return whole


def _prompts(engine: Engine, name_or_file: str | None, column: str | None) -> Sequence[str]:
    """What is read for the labels: a file, a public set, or the model's own held-out prompts."""
    if name_or_file is None:
        if engine.spec.prompts is None:
            raise InputError(f"“{engine.spec.name}” has no bundled prompts; give a file with --prompts FILE.")
        return [*bundled_prompts(engine, "harmful"), *bundled_prompts(engine, "benign")]
    with _Bar() as tell:
        found = load_set(name_or_file, column=column, progress=tell)
    most = engine.context_length
    report = check_prompts(
        found.rows, most_tokens=most // 2, count_tokens=lambda text: len(engine.tokenizer(text).input_ids)
    )
    print("\n".join((report.sentence(), *found.warnings, *report.warnings)))
    return report.kept


def _listed(layers: Sequence[int]) -> str:
    return ", ".join(map(str, layers)) or "none"


class _Bar:
    """One bar in a terminal, nothing in a log: there the sentences at the end are enough."""

    def __enter__(self) -> _Bar:
        self._bar = tqdm(
            total=100, disable=not sys.stderr.isatty(), bar_format="{percentage:3.0f}% |{bar:24}| {desc} [{elapsed}]"
        )
        return self

    def __call__(self, message: str, share: float) -> None:
        self._bar.set_description_str(message, refresh=False)
        self._bar.update(100 * share - self._bar.n)

    def __exit__(self, *error: object) -> None:
        self._bar.close()
