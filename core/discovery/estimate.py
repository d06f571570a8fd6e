"""How much work a run will be, before it is begun: tokens to read, steps of answers to write, and what they take here.

Knows: settings, counts of prompts, lengths in tokens, speeds. Does not know: what will be found; where that decides
(how large K must be, which answers the judge must ask the model about), it says between what and what.

Reading and writing are counted apart: a step of writing gives one token to each answer of a batch, and on a processor
it takes as long as reading dozens of tokens. A harmful prompt is taken to be refused, as those are that a run is about.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.answers.likelihood import OTHERS
from core.discovery.context import GROUP, WIDE_GROUP, Inputs
from core.discovery.settings import Settings
from core.edits.edits import Edits
from core.engine import Engine
from core.forward.batches import shared_prefix
from core.forward.token_budget import answers_together, at_most

#: Prompts looked at for their length.
_SAMPLE = 64
#: Tokens of a public request, of a piece of public prose, and of a bundled text, about.
_REQUEST, _PROSE, _BUNDLED = 15, 130, 65
#: Steps of writing that are timed.
_TIMED = 4
#: What a step for a single answer takes of a step for a full batch: 0.13 of 0.54 s for the demo on one busy thread.
_ALONE = 0.25


class Amount(NamedTuple):
    """Tokens read, and steps of answers written, counted in steps of a full batch."""

    tokens: float = 0.0
    steps: float = 0.0

    def plus(self, *others: Amount) -> Amount:
        """The sum."""
        return Amount(self.tokens + sum(o.tokens for o in others), self.steps + sum(o.steps for o in others))

    def times(self, number: float) -> Amount:
        """So many times as much."""
        return Amount(self.tokens * number, self.steps * number)


class Speed(NamedTuple):
    """What was measured: tokens read a second, and seconds of one step of writing for a full batch of answers."""

    tokens_per_second: float
    seconds_per_step: float

    def seconds(self, amount: Amount) -> float:
        return amount.tokens / self.tokens_per_second + amount.steps * self.seconds_per_step


@dataclass(frozen=True)
class Estimate:
    """What a run reads and writes at least and at most, by part of the run."""

    parts: tuple[tuple[str, Amount, Amount], ...]

    @property
    def low(self) -> Amount:
        """Every prompt flips at the first K, and the judge need not ask about what does not flip."""
        return Amount().plus(*(low for _, low, _ in self.parts))

    @property
    def high(self) -> Amount:
        """Every prompt flips at the last K."""
        return Amount().plus(*(high for _, _, high in self.parts))

    def seconds(self, speed: Speed) -> tuple[float, float]:
        """At least and at most, at this speed."""
        return speed.seconds(self.low), speed.seconds(self.high)


def speed(engine: Engine, texts: Sequence[str], tokens_per_forward: int) -> Speed:
    """How fast a run's passes are here; takes about a second on a GPU and some on a processor. Raises InputError."""
    several = [Edits()] * max(1, tokens_per_forward // sum(len(engine.prompt(text)) for text in texts))
    tokens = len(several) * sum(len(engine.prompt(text)) for text in texts)
    with at_most(tokens_per_forward):
        engine.measure(texts, several)  # the first pass of a shape is slower
        reading = _seconds(lambda: engine.measure(texts, several))
        first = _seconds(lambda: engine.answers(texts, [Edits()], 1))
        more = _seconds(lambda: engine.answers(texts, [Edits()], 1 + _TIMED))
    size = answers_together(max(len(engine.prompt(text)) for text in texts) + 1 + _TIMED, tokens_per_forward)
    return Speed(tokens / max(reading, 1e-6), max(more - first, 1e-6) / (_TIMED * full_steps(len(texts), size)))


def estimate(engine: Engine, inputs: Inputs, settings: Settings, *, asks_the_model: bool = True) -> Estimate:
    """asks_the_model: whether the judge reads answers with this model, as `rules` does. What another judge's own model
    takes is not counted. Raises InputError for a prompt the model cannot take.
    """
    texts = [t for t in (*inputs.harmful[:_SAMPLE], *inputs.benign[:_SAMPLE]) if t.strip()]
    prompts = [engine.prompt(text) for text in texts]
    prefix = shared_prefix(prompts) if len(prompts) > 1 else 0
    alone = sum(map(len, prompts)) / len(prompts)
    layers = [n for n in engine.spec.layers if n not in settings.excluded_layers]
    referenced = sum(one.prompt in inputs.harmful for one in inputs.references)
    counts = _Counts(len(inputs.harmful), len(inputs.benign), referenced, len(layers), len(inputs.plain))
    return Estimate(tuple(_Parts(counts, alone, prefix, settings, asks_the_model).all()))


class _Counts(NamedTuple):
    """Prompts of each kind, harmful ones with a reference answer, layers that are searched, bundled texts."""

    harmful: int
    benign: int
    referenced: int
    layers: int
    plain: int


def full_steps(rows: float, size: int) -> float:
    """What a step of writing takes for so many answers, in steps of a full batch of `size`."""
    batches, rest = divmod(rows, size)
    return batches + (_ALONE + (1 - _ALONE) * rest / size if rest else 0.0)


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


class _Parts:
    """The parts of a run. alone: tokens of a prompt; own: of what it does not share with the others."""

    def __init__(self, counts: _Counts, alone: float, prefix: int, settings: Settings, asks: bool) -> None:
        self.counts, self.alone, self.own, self.s, self.asks = counts, alone, alone - prefix, settings, asks

    def all(self) -> list[tuple[str, Amount, Amount]]:
        """(part, at least, at most)."""
        found = [self._screening(), *self._stage_1()]
        if max(self.s.stages) >= 2:
            found += self._stage_2()
        if max(self.s.stages) >= 3:
            found.append(self._stage_3())
        return [*found, self._recovery()]

    def _answers(self, prompts: float, sets: float = 1, together: int = GROUP, length: int = 0) -> Amount:
        """Answers to so many prompts under so many sets each. together: prompts whose answers are written together;
        those of a wide group have the same sets, and share the template's prefix."""
        length = length or self.s.tokens
        size = answers_together(int(self.alone + length), self.s.tokens_per_forward)
        full = full_steps(min(prompts, together) * sets, size) * max(1.0, prompts / together)
        # The first token of an answer comes with the reading of its prompt.
        return Amount(prompts * sets * (self.own if together == WIDE_GROUP else self.alone), full * (length - 1))

    def _judged(self, answers: float, length: int = 0) -> Amount:
        """The model reads each answer after its own prompt and after others."""
        length = length or self.s.tokens
        return Amount(answers * (self.alone + length + len(OTHERS) * (length + 1)) if self.asks else 0.0)

    def _activity(self, prompts: float) -> Amount:
        return Amount(prompts * self.alone)

    def _sets(self, k: int) -> float:
        """Ablation sets that Stage 2 measures in a pool of K features a layer."""
        return len(self.s.seeds) * (self.counts.layers * k // self.s.block_size + 1)

    def _screening(self) -> tuple[str, Amount, Amount]:
        n, benign = self.counts.harmful, self.counts.benign
        both = self._answers(n, together=WIDE_GROUP).plus(
            self._answers(benign, together=WIDE_GROUP), self._judged(benign)
        )
        return "screening", both, both

    def _stage_1(self) -> list[tuple[str, Amount, Amount]]:
        n, s = self.counts.harmful, self.s
        once = self._answers(n, together=WIDE_GROUP)
        again = once.plus(self._judged(n))
        looked_at, longest = min(n, s.length_prompts), max(s.lengths)
        lengths = self._answers(looked_at, 2, together=WIDE_GROUP, length=longest)
        judged = Amount().plus(*(self._judged(looked_at, length) for length in s.lengths))
        cosines = Amount((n + self.counts.benign) * self.own)
        least = self._activity(n).plus(self._answers(n, len(s.least_tokens)))
        return [
            ("stage 1", again, once.times(len(s.k_steps)).plus(self._judged(n * len(s.k_steps)))),
            ("direction", once, again),
            ("answer length", lengths, lengths.plus(judged)),
            ("cosines", cosines, cosines),
            ("least tokens", least, least.plus(self._judged(n * len(s.least_tokens)))),
        ]

    def _stage_2(self) -> list[tuple[str, Amount, Amount]]:
        n, s, one = self.counts.harmful, self.s, self._answers(self.counts.harmful)
        first, last = (Amount(n * (self._sets(k) + 2) * self.own) for k in (s.k_steps[0], s.k_steps[-1]))
        taus, size = len(s.thresholds), self._answers(n, len(s.thresholds))
        found = [("stage 2", first.plus(one, self._judged(n)), last.plus(size, self._judged(n * taus)))]
        dormant = self._answers(n, 3).plus(self._judged(2 * n), self._activity(n))
        found.append(("inert", self._activity(n), self._activity(n).plus(dormant)))
        random = self._activity(n).plus(one)
        found.append(("random", random, random.plus(self._judged(n))))
        beside = len({s.k_steps[0], *s.k_beside}) if s.control_draws or s.k_beside else 0
        if beside:
            pools = Amount(n * self.own * sum(self._sets(k) for k in {s.k_steps[0], *s.k_beside}))
            known = Amount(n * self.own * sum(self._sets(k) for k in s.k_beside))
            sets = self._answers(n, 2 * beside)
            found.append(
                ("fixed sets", known.plus(sets), pools.plus(sets, self._judged(2 * n * beside), dormant.times(beside)))
            )
        if s.control_draws:
            draws = s.control_draws + 1
            low = self._activity(n).plus(self._answers(n, draws))
            high = self._activity(n).plus(self._answers(n, 2 * draws), self._judged(2 * n * draws))
            found.append(("controls", low, high))
        return [*found, self._cost()]

    def _cost(self) -> tuple[str, Amount, Amount]:
        s = self.s
        public = s.public_texts * (self.alone - self.own + _REQUEST + _PROSE)
        own = min(s.cost_texts, self.counts.benign) * self.alone + min(s.cost_texts, self.counts.plain) * _BUNDLED
        cost = Amount((2 + min(s.cost_sets, self.counts.harmful)) * (own + public) if s.cost_sets else 0.0)
        return "cross-entropy", cost, cost

    def _stage_3(self) -> tuple[str, Amount, Amount]:
        n, s = self.counts.harmful, self.s
        machine = self._activity(2 * n)
        sweeps = self._answers(n, len(s.interaction_steps)).plus(
            self._answers(n, 2 * len(s.probe_steps), together=WIDE_GROUP), machine
        )
        judged = self._judged(n * (len(s.interaction_steps) + 2 * len(s.probe_steps)))
        return "stage 3", sweeps, sweeps.plus(judged, self._answers(n), Amount(2 * n * self.alone))

    def _recovery(self) -> tuple[str, Amount, Amount]:
        """Every set that was ablated on a prompt once more, with the reference answer behind it."""
        s = self.s
        low = high = 2 + len(s.least_tokens)
        low, high = low + 1, high + len(s.k_steps)
        if max(s.stages) >= 2:
            draws = s.control_draws + 1 if s.control_draws else 0
            low, high = low + 2 + draws, high + len(s.thresholds) + 2 + 2 * draws + 2 * len(s.k_beside)
        if max(s.stages) >= 3:
            sweeps = len(s.interaction_steps) + 2 * len(s.probe_steps)
            low, high = low + sweeps, high + sweeps + 1
        each = self.counts.referenced * (self.alone + s.tokens)
        return "recovery", Amount(each * low), Amount(each * high)
