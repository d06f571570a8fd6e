"""How well the unedited model predicts an answer, after its own prompt and after other prompts.

Knows: the runtime, token ids, passes without edits. Does not know: verdicts, thresholds. What is as likely after
requests for bread and poems as after its own is not about its own. The other prompts' keys and values are computed
once for all answers of a `Reference`; a cached prefix gives the same numbers up to the last digits."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from core.answers.rule import Measured
from core.edits.edits import Edits
from core.forward.batches import prefix_pass
from core.forward.key_values import select
from core.forward.passes import Pass
from core.forward.runtime import Runtime
from core.forward.token_budget import tokens_per_forward
from core.prompts.conversation import PromptLike
from core.prompts.literal import readable
from core.prompts.template import Prompt, make_prompt, read_template
from core.prompts.thinking import what_is_said

#: After these the same answer is scored again: what is as likely after them is not about its prompt. One of each
#: common form of request, each about something else.
OTHERS = (
    "How do I make sourdough bread at home?",
    "Write a short poem about the sea.",
    "What is the capital of Australia?",
    "Explain how vaccines work to a child.",
    "Write an email asking my landlord to fix the heating.",
    "Give me three tips for learning to play chess.",
)
#: Tokens left out at the start of an answer: their likelihood tells how answers open, not what this one is about.
SKIPPED = 3
#: So much of an answer is read, in tokens.
MOST_ANSWER = 256
#: Logits for every position are wide: this many tokens at once at most.
_MOST_TOKENS = 512


class Reference:
    """One unedited model and the prompts that every answer is compared with. Safe to share between threads."""

    def __init__(self, runtime: Runtime, others: Sequence[str] = OTHERS) -> None:
        self.runtime = runtime
        self._others = tuple(others)
        # What is scored is the answer, so it stands where an answer begins, whatever was thought before it.
        template = runtime.template
        self._template = read_template(runtime.tokenizer, template.system) if template.thought else template
        # Protects `_prefixes` while it is made: two threads would each run the prompts.
        self._lock = threading.Lock()
        self._prefixes: list[tuple[Prompt, Any]] | None = None

    def measure(self, prompts: Sequence[PromptLike], answers: Sequence[str]) -> list[Measured | None]:
        """One value an answer; None where it has no tokens. Thinking is left out. Raises InputError."""
        made = [self._prompt(prompt) for prompt in prompts]
        ids = [self._ids(prompt, answer) for prompt, answer in zip(made, answers, strict=True)]
        here = self.log_probabilities(made, ids)
        elsewhere = [self._after(prefix, past, ids) for prefix, past in self._made_prefixes()]
        return [_measured(own, [one[n] for one in elsewhere]) for n, own in enumerate(here)]

    def log_probabilities(
        self, prompts: Sequence[Prompt], answers: Sequence[Sequence[int]], past: Any = None, start: int = 0
    ) -> list[np.ndarray]:
        """For each prompt and the ids of its answer: float32 [answer tokens], natural logs.

        past: keys and values of the first `start` tokens, which all prompts share. Rows are right-padded; causal
        attention never looks right, so padding changes nothing.
        """
        runtime, plan = self.runtime, self.runtime.plan([Edits()])
        found = [np.zeros(0, np.float32)] * len(answers)
        whole = [Prompt("", (*p.ids, *ids), (), {}) for p, ids in zip(prompts, answers, strict=True)]
        lengths = [len(one) - start if ids else 0 for one, ids in zip(whole, answers, strict=True)]
        for part in _parts(lengths, 1 if runtime.alone else None):
            chosen = [whole[n] for n in part]
            width = max(map(len, chosen)) - start
            rows = torch.zeros(len(part), dtype=torch.int64, device=runtime.device)
            current = Pass(plan, rows, runtime.groups(plan, chosen, start, width))
            ids = runtime.ids(chosen, start, width)
            cache = None if past is None else select(past, [0] * len(part))
            logits = runtime.forward(current, ids, past=cache, use_cache=cache is not None).logits
            for row, number in enumerate(part):
                first, count = len(prompts[number]) - start, len(answers[number])
                mine = logits[row, first - 1 : first - 1 + count].float()
                each = mine.gather(1, ids[row, first : first + count, None])[:, 0] - mine.logsumexp(-1)
                found[number] = each.cpu().numpy()
        return found

    def _after(self, prefix: Prompt, past: Any, answers: Sequence[Sequence[int]]) -> list[np.ndarray]:
        if past is None:
            return self.log_probabilities([prefix] * len(answers), answers)
        return self.log_probabilities([prefix] * len(answers), answers, past, len(prefix) - 1)

    def _made_prefixes(self) -> list[tuple[Prompt, Any]]:
        """Each other prompt, with the keys and values of all its tokens but the last; None where rows cannot have these
        in common."""
        with self._lock:
            if self._prefixes is None:
                plan = self.runtime.plan([Edits()])
                made = [self._prompt(text) for text in self._others]
                alone = bool(self.runtime.alone)
                self._prefixes = [
                    (p, None if alone else prefix_pass(self.runtime, plan, p, [0], len(p) - 1)[1]) for p in made
                ]
            return self._prefixes

    def _prompt(self, prompt: PromptLike) -> Prompt:
        return make_prompt(self.runtime.tokenizer, self._template, prompt, self.runtime.context_length)

    def _ids(self, prompt: Prompt, answer: str) -> list[int]:
        """The answer's tokens, as many as are read and as the context has room for after any of the prompts."""
        text = readable(what_is_said(answer).text)
        room = min(MOST_ANSWER, self.runtime.context_length - max(len(prompt), self._longest_other))
        found: list[int] = self.runtime.tokenizer(text[: 20 * MOST_ANSWER], add_special_tokens=False)["input_ids"]
        return found[: max(0, room)]

    @property
    def _longest_other(self) -> int:
        return max(len(prefix) for prefix, _ in self._made_prefixes())


def _parts(lengths: Sequence[int], most: int | None = None) -> Iterator[list[int]]:
    """Places in batches within the token budget, longest first; those of length 0 are left out. most: in a batch."""
    order = sorted((n for n, length in enumerate(lengths) if length), key=lengths.__getitem__)
    while order:
        size = most or max(1, min(_MOST_TOKENS, tokens_per_forward()) // lengths[order[-1]])
        part, order = order[-size:], order[:-size]
        yield part


def _measured(here: np.ndarray, elsewhere: Sequence[np.ndarray]) -> Measured | None:
    """NLL of all tokens, and the gain over those behind the first few."""
    if not len(here):
        return None
    nll = float(-here.mean())
    if len(here) <= SKIPPED or not elsewhere:
        return Measured(nll, None)
    other = float(-np.mean([one[SKIPPED:].mean() for one in elsewhere]))
    return Measured(nll, gain(float(-here[SKIPPED:].mean()), other))


def gain(here: float, elsewhere: float) -> float:
    """The share of the NLL after other prompts that the answer's own takes away; 0 where there is none to take."""
    return 1 - here / elsewhere if elsewhere > 0 else 0.0
