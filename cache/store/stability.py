"""Runs of one model with other SAEs, compared: which runs can be, and what they come to.

Knows: runs in the store and the models they name. Does not know: pages, or how two runs are compared
(`core.discovery.stability`). Nothing is kept: what a comparison needs is in the runs' rows and in the SAEs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

from cache.store.runs import Run, Runs
from core.discovery.found import largest_k, read_found
from core.discovery.settings import Settings
from core.discovery.stability import stability
from core.discovery.tables.table import Table
from core.errors import HydrascopeError, InputError
from core.models.registry import find_spec
from core.models.spec import ModelSpec
from core.models.trained import sae_names
from core.progress import NEVER, QUIET, Progress, part

#: Settings that change no number.
_NO_RESULT = ("tokens_per_forward", "keep_answers")


def compare_runs(
    runs: Runs, chosen: Sequence[str], progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER
) -> Table:
    """The table of stability of two runs or more. Raises InputError where they cannot be compared."""
    named = list(dict.fromkeys(chosen))
    if len(named) < 2:
        raise InputError("Stability compares at least two different runs. Name two runs of one model with other SAEs.")
    found = [runs.get(run) for run in named]
    specs = [_spec(run) for run in found]
    first = (specs[0].model_id, specs[0].revision, specs[0].adapter)
    kept = next((run for run in found if run.weights), found[0])
    for run, spec in zip(found, specs, strict=True):
        if (spec.model_id, spec.revision, spec.adapter) != first:
            raise InputError(
                f"Run {run.run} is of {spec.model_id} and run {found[0].run} of {specs[0].model_id}. Compare runs of "
                "one model."
            )
        if sae_names(spec) != run.saes:
            raise InputError(f"The SAEs of “{spec.name}” are no longer those of run {run.run}. Add them again.")
        if run.weights not in ("", kept.weights):
            raise InputError(
                f"Run {run.run} and run {kept.run} had different weights of {spec.model_id}, because its files were "
                "replaced between them. Compare runs of one model."
            )
    k = max(largest_k(runs.ledger(run.run)) for run in found)
    read = []
    for number, (run, spec) in enumerate(zip(found, specs, strict=True)):
        share = part(progress, number / len(found), 1 / len(found))
        inputs, ledger = runs.inputs(run.run), runs.ledger(run.run)
        name = f"{run.name} ({run.model}, {run.run})"
        used = (run.direction, run.sae_digests)
        read.append(read_found(name, spec, *used, inputs, run.settings, ledger, k, share, cancelled))
    table = stability(read)
    return table._replace(note=" ".join(filter(None, (other_than_saes(found), table.note))))


def other_than_saes(runs: Sequence[Run]) -> str:
    """What else the runs differ in, or that their SAEs are the same, in a sentence; empty where only SAEs differ."""
    told = []
    if len({(run.saes, run.sae_digests) for run in runs}) == 1:
        told.append("The runs have the same SAEs.")
    settings = [
        field.name.replace("_", " ")
        for field in fields(Settings)
        if field.name not in _NO_RESULT and len({repr(getattr(run.settings, field.name)) for run in runs}) > 1
    ]
    others = {"prompts": {run.prompts for run in runs}, "judge": {run.judge.name for run in runs}}
    if differ := [*(name for name, values in others.items() if len(values) > 1), *settings]:
        told.append(f"The runs differ in more than their SAEs: {', '.join(differ)}. What they share depends on it.")
    return " ".join(told)


def comparable(runs: Runs, spec: ModelSpec) -> list[Run]:
    """Every run of the model that `spec` is of, whichever SAEs it has, newest first."""
    found, known = [], dict[str, bool]()
    for run in runs.all():
        if run.model not in known:
            try:
                other = find_spec(run.model)
                known[run.model] = (other.model_id, other.adapter) == (spec.model_id, spec.adapter)
            except HydrascopeError:  # a model that was removed since
                known[run.model] = False
        if known[run.model]:
            found.append(run)
    return found


def _spec(run: Run) -> ModelSpec:
    try:
        return find_spec(run.model)
    except HydrascopeError as error:
        raise InputError(f"Run {run.run} is of “{run.model}”, which this machine does not know: {error}") from error
