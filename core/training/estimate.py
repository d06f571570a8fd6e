"""What a training will take, before it begins: tokens, disk, memory, and the time by a short probe.

Knows: settings, an engine, what earlier trainings answered. Does not know: arguments, pages. The time is an upper
bound where answers end early.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from core.devices import free_memory
from core.engine import Engine
from core.errors import InputError
from core.text.sizes import size_text
from core.training.answers import generate_batch, made_by, read_answers
from core.training.card import CE_TOKENS
from core.training.chats import Chats, conversation_ids, fixed_prefix
from core.training.pipeline import Texts, batch_sizes_for
from core.training.record import record
from core.training.settings import TrainingSettings
from core.training.turns import STEP, taking_turns
from core.training.weights import weights_used

#: Of the probe: new tokens of each answer, tokens recorded, steps of training.
_NEW_TOKENS, _RECORDED, _STEPS = 6, 512, 2
#: Passes of the quality card over its conversations: unedited, the SAE, random directions, zeros.
_CARD_PASSES = 4
#: Bytes beside the model and the SAE: a batch's hidden states, and the logits that cross-entropies are taken on.
_WORKING = 900_000_000


@dataclass(frozen=True)
class Plan:
    """answers: still to be made, of new_tokens at most each. recorded: tokens, of all conversations. steps: of each
    layer. disk: bytes that are written; disk_free: of that disk. memory: bytes, the model included; memory_free: the
    device's. share_run: of the model's layers, those that a recording runs. seconds: None before the probe.
    """

    layers: tuple[int, ...]
    answers: int
    new_tokens: int
    recorded: int
    steps: int
    card_tokens: int
    disk: int
    disk_free: int
    memory: int
    memory_free: int
    share_run: float
    seconds: float | None = None

    def check_room(self) -> None:
        """Raises InputError where the disk is too small."""
        if self.disk > self.disk_free:
            raise InputError(
                f"The recordings need {size_text(self.disk)} of disk space, but {size_text(self.disk_free)} is free. "
                "Free some space, choose fewer layers or tokens, or set HYDRASCOPE_CACHE to a folder on a larger disk."
            )

    @property
    def lines(self) -> tuple[str, ...]:
        """The same for people, a sentence each."""
        several = "" if len(self.layers) == 1 else f" for each of {len(self.layers)} layers"
        answers = (
            f"The model answers {self.answers:,} prompts with at most {self.new_tokens:,} tokens each."
            if self.answers
            else "All answers are there already."
        )
        found = [
            answers,
            f"{self.recorded:,} tokens are recorded, which takes {size_text(self.disk)} of disk "
            f"({size_text(self.disk_free)} free).",
            f"The training makes {self.steps:,} steps{several}.",
            f"Memory: about {size_text(self.memory)}, with the model ({size_text(self.memory_free)} free now).",
        ]
        if self.seconds is not None:
            found.append(
                f"Time: about {time_text(self.seconds)} on this machine, at most. It can be stopped and continued."
            )
        return tuple(found)


def plan_of(engine: Engine, settings: TrainingSettings, texts: Texts, folder: Path) -> Plan:
    """Counts alone; nothing is run. folder: where the training's files lie, or will."""
    known, weights = read_answers(folder / "answers.jsonl"), weights_used(engine)
    wanted = [(text, 0) for text in (*texts.train, *texts.held_out)]
    wanted += [(text, number) for text in texts.often for number in range(1, settings.answers_each)]
    recorded = settings.tokens + settings.held_out_tokens
    d, layers = engine.d_model, len(settings.layers)
    size = sum(p.numel() * p.element_size() for p in engine.model.parameters())
    # An SAE's weights, their gradients and Adam's two moments; then a batch's activations, forwards and backwards.
    training = 4 * 4 * 2 * settings.width * d + 6 * 4 * settings.batch * settings.width
    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return Plan(
        layers=settings.layers,
        answers=sum((*one, made_by(weights, settings.answer_tokens, one[1])) not in known for one in wanted),
        new_tokens=settings.answer_tokens,
        recorded=recorded,
        steps=max(1, int(settings.passes * settings.tokens) // settings.batch),
        card_tokens=min(settings.held_out_tokens, CE_TOKENS),
        disk=layers * (2 * d * recorded + settings.width * (10 * d + 24)),
        disk_free=shutil.disk_usage(place).free,
        memory=size + training + _WORKING,
        memory_free=free_memory(engine.model.device) + size,
        share_run=(max(settings.layers) + 1) / engine.n_layers,
    )


def probed(engine: Engine, plan: Plan, settings: TrainingSettings, texts: Texts) -> Plan:
    """The plan with its time, by running a little of each part: seconds on a small model, a minute on a large one."""
    prompts = sorted(texts.train, key=len)[len(texts.train) // 2 :][: batch_sizes_for(engine.model.device).answers]
    with taking_turns(engine.model):
        answering = _answer_seconds(engine, prompts) if plan.answers else 0.0
        recording = _record_seconds(engine, settings, prompts)
    step = _step_seconds(engine, settings)
    seconds = (
        plan.answers * plan.new_tokens * answering
        + plan.recorded * recording
        + len(plan.layers) * (plan.steps * step + _CARD_PASSES * plan.card_tokens * recording / plan.share_run)
    )
    return replace(plan, seconds=seconds)


def _answer_seconds(engine: Engine, prompts: list[str]) -> float:
    """Seconds for one generated token, in a batch as large as the training's."""
    begun = time.perf_counter()
    generate_batch(engine.model, engine.tokenizer, prompts, _NEW_TOKENS)
    return (time.perf_counter() - begun) / (_NEW_TOKENS * len(prompts))


def _record_seconds(engine: Engine, settings: TrainingSettings, prompts: list[str]) -> float:
    """Seconds for one recorded token."""
    prefix = fixed_prefix(engine.tokenizer)
    rows = [tuple(conversation_ids(engine.tokenizer, [(text, text)])[len(prefix) :]) for text in prompts]
    rows = (rows * _RECORDED)[: max(1, _RECORDED // max(1, sum(map(len, rows)) // len(rows)))]
    chats = Chats(prefix, [row[: settings.longest] for row in rows])
    with tempfile.TemporaryDirectory(prefix="hydrascope-probe-") as folder:
        begun = time.perf_counter()
        record(engine.model, chats, settings.layers, Path(folder), weights="", budget=_RECORDED)
        return (time.perf_counter() - begun) / chats.tokens


def _step_seconds(engine: Engine, settings: TrainingSettings) -> float:
    """Seconds for one step, by the products that nearly all of it consists of, forwards and backwards."""
    device = engine.model.device
    encoder = torch.randn(engine.d_model, settings.width, device=device, requires_grad=True)
    decoder = torch.randn(settings.width, engine.d_model, device=device, requires_grad=True)
    x = torch.randn(settings.batch, engine.d_model, device=device)
    begun = 0.0
    with STEP:
        for number in range(1 + _STEPS):
            if number == 1:  # the first is slower
                begun = time.perf_counter()
            f = (x @ encoder).relu()
            least = f.flatten().topk(min(int(settings.k * settings.batch), f.numel())).values[-1]
            loss = ((f * (f >= least)) @ decoder - x).pow(2).sum()
            float(torch.autograd.grad(loss, (encoder, decoder))[0].sum())  # waits for the device
    # Adam and what is counted of each feature come to about half as much again.
    return 1.5 * (time.perf_counter() - begun) / _STEPS


def time_text(seconds: float) -> str:
    """“40 s”, “12 min”, “3.5 h”."""
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
