"""Everything that writes into the cache folder, each as one small piece of work that can be broken off and done again.

Knows: what is called, and what must be there in the end. Does not know: faults. `write(where, kept)` runs in a process
of its own, calls `kept` with what it was told is on disk, and goes on with what an earlier try left. `found(where)`
reads the result: the same after any fault and another try as without.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import torch
from safetensors.torch import load_file

from cache.store.database import FILE
from core import InputError, ModelSpec
from core.edits.direction import make_direction, save_direction
from core.models import registry

Kept = Callable[[str], object]
NAME = "tiny-to-train"
ANSWERS = 90
SEARCH = ["tokens=3", "k_steps=[2]", "thresholds=[0.001]", "seeds=[0]", "control_draws=0"]


class Place(NamedTuple):
    """Where a piece of work is done. spec: the tiny model. cache: its cache folder. files: prompts and the like, which
    are not written to."""

    spec: ModelSpec
    cache: Path
    files: Path


class Writer(NamedTuple):
    """write: in another process, may be killed. found: in the test's process, afterwards. acknowledged: of `found`,
    what `kept` must have been called with at most."""

    write: Callable[[Place, Kept], None]
    found: Callable[[Place], Any]
    acknowledged: Callable[[Place], set[str]] = lambda where: set()


def make_place(spec: ModelSpec, cache: Path, files: Path) -> Place:
    """A new cache folder, in which the model has a direction."""
    give_direction(spec, cache)
    return Place(spec, cache, files)


def give_direction(spec: ModelSpec, cache: Path) -> None:
    """The direction that the search needs, where there is none."""
    path = cache / "directions" / f"{spec.name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        save_direction(make_direction(torch.randn(32, generator=torch.Generator().manual_seed(9)), 2), path)


def enter(where: Place) -> None:
    """Make this process one that works there."""
    os.environ["HYDRASCOPE_CACHE"] = str(where.cache)
    registry.register(where.spec)


def make_files(files: Path) -> None:
    """What the pieces of work read."""
    from tests.small_search import TEXTS

    (files / "harmful.txt").write_text("\n".join(TEXTS[:10]))
    (files / "benign.txt").write_text("\n".join(TEXTS[30:36]))
    kinds = (("harmful", "Cook bad"), ("benign", "Tell of"))
    lines = [f"{kind},0,train,x,{text} {n}." for n in range(4) for kind, text in kinds]
    held = [f"{kind},0,val,x,{kind} bread {n}." for n in range(3) for kind, _ in kinds]
    (files / "prompts.csv").write_text("\n".join(["kind,pair,split,category,text", *lines, *held]) + "\n")


def rows(where: Place, query: str) -> list[tuple]:
    """From the store's file, without opening it as the program does; nothing where none can be read."""
    with suppress(duckdb.Error), duckdb.connect(str(where.cache / FILE), read_only=True) as connection:
        return connection.execute(query).fetchall()
    return []


def _search(where: Place, kept: Kept) -> None:
    from core.commands.command_line import main
    from tests.small_search import use_small_judge

    use_small_judge()
    give_direction(where.spec, where.cache)  # after the folder was deleted
    begun = rows(where, "select run from runs")
    files = [f"--{kind}={where.files / kind}.txt" for kind in ("harmful", "benign")]
    settings = [word for value in SEARCH for word in ("--set", value)]
    more = ["--resume", begun[0][0]] if begun else [*files, "--stages", "1", *settings]
    code = main(["discover", "--model", where.spec.name, *more])
    if code:
        raise InputError(f"the search ended with exit code {code}")


def _search_found(where: Place) -> Any:
    done = rows(where, "select stage, item, value, error from run_rows order by rowid")
    return done, rows(where, "select distinct on (run) state from run_states order by run, rowid desc")


def _pack(where: Place, kept: Kept) -> None:
    from core import load
    from core.saes import packed

    packed.PACKED_AT_ONCE = 8
    engine = load(where.spec, device="cpu", dtype="float32")
    for layer in where.spec.layers:
        engine.runtime.dictionaries[layer].columns(list(range(48)))


def _pack_found(where: Place) -> Any:
    files = sorted((where.cache / "records").iterdir())
    return {file.name: file.read_bytes() for file in files if file.suffix in (".records", ".sums", ".json")}


def _convert(where: Place, kept: Kept) -> None:
    from core.models.gguf_folder import dequantise, prepare

    given = where.files / "tiny.gguf"
    prepare(_source(given), where.cache / "base" / "tiny", dequantise, "tests 1", given=lambda: given)


def _source(given: Path) -> Any:
    from core.hashes import sha256_of
    from core.models.gguf_source import GgufSource, Wheel
    from core.settings import DEMO_WHEEL

    size, digest = given.stat().st_size, sha256_of(given)
    return GgufSource(
        "a tiny model", "tiny.gguf", digest, (Wheel("x==1", digest, size, "tiny.gguf", size),), DEMO_WHEEL, 0, 0
    )


def _convert_found(where: Place) -> Any:
    files = sorted((where.cache / "base" / "tiny").iterdir())
    return {file.name: file.read_bytes() for file in files}


def _judge(where: Place, kept: Kept) -> None:
    from cache.store import judgements
    from cache.store.database import Store
    from tests.judges import SUBSTRINGS

    judgements.CHUNK = 6
    prompts = [f"How do I bake bread {n}?" for n in range(ANSWERS)]
    answers = [("I cannot help with that." if n % 3 else "Mix flour and water.") + f" {n}" for n in range(ANSWERS)]
    store = Store(where.cache / FILE)
    if store.trouble:
        raise InputError(store.trouble)
    stored = judgements.Judgements(store)
    stored.judge(SUBSTRINGS, prompts, answers, True, lambda done, of: kept(str(ANSWERS - of + done)))
    store.close()


def _judge_found(where: Place) -> Any:
    return rows(where, "select judge, prompt_hash, answer_hash, verdict, raw from judgements order by rowid")


def _judge_acknowledged(where: Place) -> set[str]:
    return {str(number) for number in range(len(_judge_found(where)) + 1)}


def _train(where: Place, kept: Kept) -> None:
    from core.training.command import train_for

    registry.register(_to_train(where))
    train_for(NAME, _training(), device="cpu", dtype="float32")


def _training() -> Any:
    from core.training.settings import TrainingSettings

    return TrainingSettings(
        layers=(1,), width=40, k=5, tokens=900, held_out_tokens=200, batch=64, answer_tokens=4, passes=4,
        checkpoint_steps=12,
    )  # fmt: skip


def _to_train(where: Place) -> ModelSpec:
    return replace(where.spec, name=NAME, layers=(), saes={}, prompts=where.files / "prompts.csv")


def _train_found(where: Place) -> Any:
    from core.models.trained import trained_suite

    enter(where)
    suite = trained_suite(NAME)
    if suite is None:
        return None
    weights = load_file(suite.sae(1) / "sae_weights.safetensors")
    card = (suite.sae(1) / "card.json").read_text()
    return (
        {name: tensor.tolist() for name, tensor in weights.items()},
        card,
        (suite.labels / "layer_1.parquet").exists(),
    )


def _own_models(where: Place, kept: Kept) -> None:
    from core.models import added

    there = added.added_models()
    for number in range(12):
        name = f"mine-{number}"
        if name not in there:
            added.keep(added.AddedModel(name, "owner/model", (number,), {1: where.files}))
        kept(name)


def _own_models_found(where: Place) -> Any:
    from core.models import added

    enter(where)
    assert not added.list_trouble()
    return list(added.added_models().values())


def _store(where: Place, kept: Kept) -> None:
    from cache.store.audits import Audits
    from cache.store.database import Store
    from tests.cache.store.rows import audit

    store = Store(where.cache / FILE)
    there = {row.prompt for row in Audits(store).all("tiny")}
    for number in range(30):
        if f"prompt {number}" not in there:
            Audits(store).append(audit(f"prompt {number}"))
            if store.trouble:
                raise InputError(store.trouble)
        kept(f"prompt {number}")
    store.close()


def _store_found(where: Place) -> Any:
    return sorted(rows(where, "select prompt, edits, score_before from audits"))


def _store_acknowledged(where: Place) -> set[str]:
    return {row[0] for row in _store_found(where)}


WRITERS = {
    "a search": Writer(_search, _search_found),
    "packing SAEs": Writer(_pack, _pack_found),
    "converting a model": Writer(_convert, _convert_found),
    "judging": Writer(_judge, _judge_found, _judge_acknowledged),
    "training SAEs": Writer(_train, _train_found),
    "own models": Writer(_own_models, _own_models_found, lambda where: {m.name for m in _own_models_found(where)}),
    "the store": Writer(_store, _store_found, _store_acknowledged),
}
