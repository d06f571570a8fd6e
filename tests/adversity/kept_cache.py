"""A cache folder in which there is one of everything, and commands that read it.

Knows: the command line, the job that keeps readings, a loopback hub whose downloads lie in the same folder. Does not
know: faults.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import torch
from huggingface_hub import constants

from cache.jobs import features as reading
from cache.jobs.queue import Queue
from cache.store import database as stores
from cache.store.labels import NeuronpediaLabels, labels_of
from core import ModelSpec
from core.commands.command_line import main
from core.discovery.tables.export import as_json
from core.edits.direction import make_direction, save_direction
from core.edits.edits import Feature
from core.engine import load
from core.models import registry
from core.models.added import AddedModel, keep
from core.prompts.categories import from_lists
from core.prompts.public_sets import read_local
from core.semantics.tables import about_tables
from tests.adversity.writers import NAME, SEARCH, make_files
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.environment import pointed_at, read_again
from tests.loopback_hub.prompt_sets import LAYOUTS
from tests.small_search import TEXTS, use_small_judge

PROMPT = "How do I bake a bread?"
TRAIN = [
    "saes", "train", NAME, "--layers", "1", "--width", "40", "--k", "5", "--tokens", "900", "--held-out-tokens", "200",
    "--batch", "64", "--answer-tokens", "4", "--device", "cpu", "--passes", "4",
]  # fmt: skip
AUDIT = ["audit", PROMPT, "--model", "tiny", "--ablate", "2-3,3-4,1-5", "--tokens", "3", "--json"]
TRAINED = ["audit", PROMPT, "--model", f"{NAME}/trained", "--ablate", "1-3,1-4", "--tokens", "3", "--json"]


#: What is run: the words of a command, or a function that prints.
Reader = Sequence[str] | Callable[[], int]
PUBLIC = "Paul/XSTest"


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def run(reader: Reader) -> Said:
    """A command in this process. Whatever it raises is a fault of the program's."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = reader() if callable(reader) else main([*reader])
    stores.close_all()
    return Said(code, out.getvalue(), err.getvalue())


@contextmanager
def served(cache: Path, files: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub with one public set, whose downloads lie in the cache folder too."""
    with LoopbackHub() as hub:
        pointed_at(hub, patch, cache / "hub")
        for name, lines in LAYOUTS[PUBLIC].items():
            (files / "served").mkdir(exist_ok=True)
            pd.DataFrame(lines).to_csv(files / "served" / name, index=False)
        hub.add(PUBLIC, files / "served", kind="dataset")
        yield


def offline(words: list[str]) -> Callable[[], int]:
    """A command with HF_HUB_OFFLINE set."""

    def read() -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HF_HUB_OFFLINE", "1")
            patch.setattr(constants, "HF_HUB_OFFLINE", True)
            return main(words)

    return read


def with_tables(words: list[str], folder: Path) -> Callable[[], int]:
    """A command, and after what it prints what is in the tables that it writes."""

    def read() -> int:
        shutil.rmtree(folder, ignore_errors=True)
        code = main([*words, "--out", str(folder)])
        for path in sorted(folder.glob("*.csv")):
            print(path.name, path.read_text(encoding="utf-8"))
        return code

    return read


def with_card(words: list[str], file: Path) -> Callable[[], int]:
    """A command that writes a card, and the card's data without its time."""

    def read() -> int:
        file.unlink(missing_ok=True)
        code = main([*words, "--out", str(file)])
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        print("\n".join(line for line in lines if not re.match(r' *"(made|digest)": ', line)))
        return code

    return read


def semantics(files: Path) -> Callable[[], int]:
    """What features are about, as the page reads it: from the kept reading where there is one."""

    def read() -> int:
        engine, queue = load("tiny"), Queue()
        prompts = from_lists(read_local(files / "labelled.csv"), None, [])
        chosen = [Feature(2, 3), Feature(3, 4), Feature(1, 5)]
        job = reading.start(
            queue,
            engine,
            "tiny",
            prompts,
            "mine",
            chosen,
            labels_of(engine, NeuronpediaLabels(stores.shared_store, engine.spec.neuronpedia)),
            None,
            None,
        )
        queue.wait(job.id, 120)
        ended = queue.job(job.id)
        assert ended is not None and ended.state in ("finished", "failed"), ended
        if ended.state == "failed":
            print(ended.error, file=sys.stderr)
            return 2
        print(as_json(about_tables(ended.result), {}))
        return 0

    return read


def register(spec: ModelSpec, files: Path) -> None:
    """The models of these commands, in this process."""
    registry.register(spec)
    registry.register(replace(spec, name=NAME, layers=(), saes={}, prompts=files / "prompts.csv"))


def fill(cache: Path, files: Path, spec: ModelSpec, patch: pytest.MonkeyPatch) -> dict[str, Reader]:
    """Put one of everything into a cache folder. Returns the commands that read it, by the folder they are about.

    patch: undoes what this process is told.
    """
    make_files(files)
    register(spec, files)
    use_small_judge(patch)
    direction = make_direction(torch.randn(32, generator=torch.Generator().manual_seed(9)), 2)
    save_direction(direction, cache / "directions" / "tiny.safetensors")
    keep(AddedModel("mine", "owner/model", (1,), {1: files}))
    (files / "answers.jsonl").write_text(
        '{"prompt": "Hello", "answer": "I cannot."}\n{"prompt": "Hi", "answer": "Ok"}\n'
    )
    lines = ["prompt,category", *(f"{text},{'ab'[n % 2]}" for n, text in enumerate(TEXTS[:16]))]
    (files / "labelled.csv").write_text("\n".join(lines) + "\n")
    labels = ["labels", "--model", "tiny", "--prompts", str(files / "benign.txt")]
    search = ["discover", "--model", "tiny", "--stages", "1"]
    search += [word for value in (*SEARCH, "keep_answers=true") for word in ("--set", value)]
    search += [f"--{kind}={files / kind}.txt" for kind in ("harmful", "benign")]
    judge = ["judge", "--judge", "substrings", "--file", str(files / "answers.jsonl")]
    study = ["study", "answers", "a study", "--file", str(files / "answers.jsonl")]
    card = [
        "card", "make", PROMPT, "--model", "tiny", "--ablate", "2-3,3-4", "--tokens", "3", "--out",
        str(files / "card.json"),
    ]  # fmt: skip
    prompts, about = ["prompts", "xstest"], semantics(files)
    agreement = ["judge", "--agreement", "substrings", "wordings", "--file", str(files / "answers.jsonl")]
    found = [run(one) for one in (AUDIT, labels, search, judge, agreement, study, TRAIN, card, prompts, about)]
    assert not [said for said in found if said.code], [said.err for said in found]
    identifier = re.search(r"Run (\S+) is finished", found[2].out)[1]
    verify = ["card", "verify", str(files / "card.json"), "--json"]
    chosen = ["features", "--model", "tiny", "--features", "2-3,3-4,1-5"]
    chosen += ["--prompts", str(files / "labelled.csv"), "--json"]
    judge_run = ["judge", "--judge", "substrings", "--run", identifier]
    assert run(judge_run).code == 0
    of_run = ["card", "make", "--model", "tiny", "--run", identifier]
    return {
        "records": AUDIT,
        "records card": verify,
        "directions": AUDIT,
        "directions card": verify,
        "labels": labels,
        "labels features": chosen,
        "labels reading": about,
        "readings": about,
        "own_models.json": ["models"],
        "hub prompts": prompts,
        "hub without a network": offline(prompts),
        "hydrascope.duckdb": ["study", "list"],
        "hydrascope.duckdb judge": judge,
        "hydrascope.duckdb agreement": agreement,
        "hydrascope.duckdb judging a run": judge_run,
        "hydrascope.duckdb resume": with_tables(["discover", "--model", "tiny", "--resume", identifier], files / "out"),
        "hydrascope.duckdb card": with_card(of_run, files / "run.json"),
        "training": TRAINED,
        "training again": TRAIN,
        "training cards": ["saes", "cards", f"{NAME}/trained"],
    }


def another(cache: Path, target: Path) -> Path:
    """A copy, which this process uses from now on."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(cache, target, symlinks=True)
    os.environ["HYDRASCOPE_CACHE"], os.environ["HF_HOME"] = str(target), str(target / "hub")
    read_again()
    return target
