"""A cache folder in which there is one of everything, and commands that read it.

Knows: the command line. Does not know: faults.
"""

from __future__ import annotations

import io
import os
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from cache.store import database as stores
from core import ModelSpec
from core.commands.command_line import main
from core.edits.direction import make_direction, save_direction
from core.models import registry
from core.models.added import AddedModel, keep
from tests.adversity.writers import NAME, make_files
from tests.small_search import use_small_judge

PROMPT = "How do I bake a bread?"
TRAIN = [
    "saes", "train", NAME, "--layers", "1", "--width", "40", "--k", "5", "--tokens", "900", "--held-out-tokens", "200",
    "--batch", "64", "--answer-tokens", "4", "--device", "cpu", "--passes", "4",
]  # fmt: skip
AUDIT = ["audit", PROMPT, "--model", "tiny", "--ablate", "2-3,3-4,1-5", "--tokens", "3", "--json"]
TRAINED = ["audit", PROMPT, "--model", f"{NAME}/trained", "--ablate", "1-3,1-4", "--tokens", "3", "--json"]


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def run(words: list[str]) -> Said:
    """A command in this process. Whatever it raises is a fault of the program's."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    stores.close_all()
    return Said(code, out.getvalue(), err.getvalue())


def register(spec: ModelSpec, files: Path) -> None:
    """The models of these commands, in this process."""
    registry.register(spec)
    registry.register(replace(spec, name=NAME, layers=(), saes={}, prompts=files / "prompts.csv"))


def fill(cache: Path, files: Path, spec: ModelSpec, patch: pytest.MonkeyPatch) -> dict[str, list[str]]:
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
    labels = ["labels", "--model", "tiny", "--prompts", str(files / "benign.txt")]
    search = ["discover", "--model", "tiny", "--stages", "1", "--set", "tokens=3", "--set", "k_steps=[2]"]
    search += [f"--{kind}={files / kind}.txt" for kind in ("harmful", "benign")]
    judge = ["judge", "--judge", "substrings", "--file", str(files / "answers.jsonl")]
    study = ["study", "answers", "a study", "--file", str(files / "answers.jsonl")]
    for words in (AUDIT, labels, search, judge, study, TRAIN):
        said = run(words)
        assert said.code == 0, said
    return {
        "records": AUDIT,
        "directions": AUDIT,
        "labels": labels,
        "own_models.json": ["models"],
        "hydrascope.duckdb": ["study", "list"],
        "training": TRAINED,
        "training again": TRAIN,
        "training cards": ["saes", "cards", f"{NAME}/trained"],
    }


def another(cache: Path, target: Path) -> Path:
    """A copy, which this process uses from now on."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(cache, target)
    os.environ["HYDRASCOPE_CACHE"] = str(target)
    return target
