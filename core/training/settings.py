"""Every choice of a training, with defaults that suit a laptop.

Knows: names and ranges. Does not know: models, devices, files.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import InputError

#: Seeds are below this: torch takes no seed of more than 64 bits, and each layer has one of its own.
MOST_SEED = 2**31


@dataclass(frozen=True)
class TrainingSettings:
    """What is trained, and on how much. Raises InputError when made with values that cannot be used."""

    #: Decoder layers; an SAE reads the residual stream after each.
    layers: tuple[int, ...]
    #: Features of an SAE (d_sae).
    width: int = 4096
    #: Active features a token while training (BatchTopK: on average over a batch).
    k: float = 64.0
    #: Tokens to record for training: of both sides of the conversations, the fixed template prefix left out.
    tokens: int = 300_000
    #: Tokens to record for the quality card, of other prompts.
    held_out_tokens: int = 30_000
    #: Prompts the model answers at most, drawn by the seed; and an eighth as many held out.
    most_prompts: int = 2000
    #: How often each recorded token is seen.
    passes: float = 2.0
    #: Tokens a step.
    batch: int = 1024
    #: Adam's learning rate at its highest; the last quarter of the steps falls to a tenth of it and on to nothing.
    learning_rate: float = 1.2e-3
    warm_up_steps: int = 30
    #: Steps without firing after which sae-lens counts a feature as dead and lets its auxiliary loss revive it.
    dead_after_steps: int = 120
    #: Tokens a conversation is cut at, and requests in it at most.
    longest: int = 320
    most_requests: int = 3
    #: New tokens of an answer at most.
    answer_tokens: int = 96
    #: Answers drawn for each harmful prompt: the first is greedy, the others are sampled.
    answers_each: int = 1
    #: Steps between checkpoints.
    checkpoint_steps: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        whole = (
            "width",
            "tokens",
            "held_out_tokens",
            "most_prompts",
            "batch",
            "longest",
            "most_requests",
            "answer_tokens",
        )
        for name in (*whole, "answers_each", "checkpoint_steps", "dead_after_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"Training needs {name.replace('_', ' ')} of at least 1, not {getattr(self, name)}.")
        if not self.layers or min(self.layers) < 0 or len(set(self.layers)) < len(self.layers):
            raise InputError("Give the layers to train SAEs for, each once, such as 11, 13 and 15.")
        if not 0 < self.k <= self.width:
            raise InputError(
                f"k is the number of active features per token. Give a number from 1 to {self.width} (the width)."
            )
        if not (0 < self.passes < math.inf and 0 < self.learning_rate < 1):
            raise InputError("Passes must be above 0, and the learning rate between 0 and 1, such as 0.001.")
        if not 0 <= self.seed < MOST_SEED:
            raise InputError(f"The seed is {self.seed:.20g}. Give a whole number from 0 to {MOST_SEED - 1:,}.")

    def steps(self, rows: int) -> int:
        """Training steps on so many recorded tokens. Raises InputError for fewer than one batch of them."""
        if rows < self.batch:
            raise InputError(f"{rows:,} tokens were recorded, fewer than the {self.batch:,} of one step. Record more.")
        return max(1, int(self.passes * rows) // self.batch)

    def identity(self) -> dict[str, Any]:
        """What decides the weights of one layer's SAE, as JSON; of the same identity a checkpoint may be continued."""
        chosen = asdict(self)
        for name in ("layers", "held_out_tokens", "most_prompts", "checkpoint_steps"):
            del chosen[name]
        return chosen
