"""What a card holds, as frozen values, and its one form in JSON with a digest over all of it.

Knows: names and types. Does not know: how anything is measured, shown or checked. A number is kept with five digits.
Changes of these names are a new `VERSION`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.hydra.as_json import from_json, to_json
from core.prompts.conversation import Conversation, PromptLike, Turn
from core.text.json_text import json_text

FORMAT, VERSION = "hydrascope audit card", 1
#: What the first state of every case is called: no edit.
UNEDITED = "Unedited"


class SaeUsed(NamedTuple):
    """One SAE. name: as results call it. digest: of its records (`core.saes.integrity.records_digest`)."""

    layer: int
    name: str
    digest: str


class JudgeUsed(NamedTuple):
    """Who gave the verdicts. kappa: Cohen's κ with people's labels on n answers, low to high its 95% interval; all None
    where that was not measured."""

    name: str
    revision: str
    kappa: float | None
    low: float | None
    high: float | None
    n: int | None


class DirectionUsed(NamedTuple):
    """The refusal direction. vector: float32 [d_model], little-endian, base64. norm: of the raw difference of means.
    key: `Direction.key`. rule: how its layer was chosen."""

    layer: int
    position: int
    norm: float
    rule: str
    key: str
    vector: str


@dataclass(frozen=True)
class Source:
    """What every number depends on besides prompt and edits.

    weights: digest of the model's files (`core.models.digest.model_digest`), empty where they are not on this
    machine. architecture: transformers' model_type. thinking: whether the model was let think, None for one that
    cannot.
    """

    model: str
    model_id: str
    revision: str
    weights: str
    architecture: str
    n_layers: int
    refusal_tokens: tuple[int, ...]
    refusal_pieces: tuple[str, ...]
    saes: tuple[SaeUsed, ...]
    direction: DirectionUsed | None
    dtype: str
    device: str
    thinking: bool | None
    versions: Mapping[str, str]
    judge: JudgeUsed


class Cost(NamedTuple):
    """Mean KL on benign prompts in nats, at the last position, with its 95% interval over n prompts, NaN where they
    have none. prompts: digest of these prompts."""

    kl: float
    kl_low: float
    kl_high: float
    n: int
    prompts: str


class Judgement(NamedTuple):
    """A verdict with its reason, of an answer whose text may be left out. answer: None unless the person agreed to keep
    it. digest: of the answer's text. ended: whether the model stopped by itself."""

    verdict: str
    reason: str
    looping: bool
    delayed: bool
    answer: str | None
    digest: str
    ended: bool | None


@dataclass(frozen=True)
class State:
    """One edit set on the case's prompt, at its last token.

    kl: nats from the unedited model on this prompt. cosine: [layers] of resid_post with the direction, empty without
    one. judgement: None where no answer was written. cost: None for no edit, and without benign prompts. woken: dormant
    features that fire under the edits; put_back: share of the fall of the refusal logit that later blocks put back
    (`core.hydra.self_repair`). Both None where they were not asked for.
    """

    name: str
    edits: str
    p_refusal: float
    refusal_score: float
    kl: float
    cosine: tuple[float, ...]
    judgement: Judgement | None
    cost: Cost | None
    woken: int | None
    put_back: float | None


class Draw(NamedTuple):
    """One random draw of a control. seed: of the random direction that `direction` in the edits stands for, None where
    it is not there. put_back: as of a state."""

    edits: str
    seed: int | None
    refusal_score: float
    put_back: float | None


class Control(NamedTuple):
    """What stands beside the claim of one state. about: in a sentence what was drawn. Empty draws: about says why."""

    state: str
    about: str
    draws: tuple[Draw, ...]


class FeatureFacts(NamedTuple):
    """One feature named in an edit, or woken by one.

    how: “edited” or “woken”. origin: who gave the label. cosine: of its decoder row with the direction. activation: the
    largest on this prompt after BOS, unedited. effect: change of the refusal score when it alone is ablated; None where
    not measured. role and categories (name → firing rate): what is known of its meaning, None where nothing is.
    """

    feature: str
    how: str
    label: str
    origin: str
    cosine: float | None
    activation: float
    effect: float | None
    role: str | None
    categories: Mapping[str, float] | None


@dataclass(frozen=True)
class Case:
    """One prompt and everything measured of it. turns: the conversation, the last is what is asked. tokens: longest
    answer. more: features left out of `features`."""

    turns: tuple[Turn, ...]
    tokens: int
    states: tuple[State, ...]
    controls: tuple[Control, ...]
    features: tuple[FeatureFacts, ...]
    more: int

    @property
    def prompt(self) -> PromptLike:
        """As the engine takes it."""
        return self.turns[0].text if len(self.turns) == 1 else Conversation(self.turns)


class RunTable(NamedTuple):
    """One table of a run. rows: column → value, one a row."""

    name: str
    title: str
    section: str
    note: str
    rows: tuple[Any, ...]


@dataclass(frozen=True)
class RunFacts:
    """A run of the search: everything that repeats it, and its tables. inputs, settings: as their `to_json` writes
    them. begun: UTC. judge: its name."""

    run: str
    name: str
    begun: str
    judge: str
    inputs: str
    settings: str
    facts: Mapping[str, str]
    tables: tuple[RunTable, ...]


@dataclass(frozen=True)
class Card:
    """page: where it was made. made: the time, UTC. command: what measures the same again. seed: of everything random
    in it. agreed: whether the person agreed to keep answers."""

    page: str
    made: str
    command: str
    seed: int
    agreed: bool
    source: Source
    cases: tuple[Case, ...]
    run: RunFacts | None


def card_json(card: Card) -> dict[str, Any]:
    """The card as plain JSON values, with format, version and digest."""
    held = to_json(card)
    return {"format": FORMAT, "version": VERSION, "digest": digest_of(held), "card": held}


def rounded(card: Card) -> Card:
    """The card with the digits that it is kept with, so that what is shown is what is read back."""
    kept: Card = from_json(Card, to_json(card))
    return kept


def digest_of(held: Mapping[str, Any]) -> str:
    """16 hex digits over every value, whatever the order of names and the white space of a file."""
    text = json_text(held, sort_keys=True, separators=(",", ":"), ascii_only=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def text_digest(text: str) -> str:
    """16 hex digits of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def turns_of(prompt: PromptLike) -> tuple[Turn, ...]:
    """A request or a conversation as turns."""
    return (Turn("user", prompt),) if isinstance(prompt, str) else prompt.turns
