"""The workspace as a frozen value, and the pure functions that make the next one out of it.

Knows: a prompt, edits that are on or off, settings, pinned sets, the name of the model they are for. Does not know:
Streamlit, models, addresses.
An edit is kept as it is written in a link (`12-40`, `14-7=6@bos`, `direction`): small, comparable, and what is sent to
someone else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from core import Edits, Feature
from core.edits import typed
from core.edits.direction import Direction
from core.edits.text import Word
from core.prompts.conversation import Conversation, PromptLike, Turn
from pages.shared.workspace.origin import NOT_KNOWN, Origin

#: More edits would make every page slow, and no link could carry them.
MOST_EDITS = 2000
#: How long an answer may be, in tokens; the first is the usual one.
ANSWER_TOKENS = (32, 64, 128, 256)
#: More pinned sets would not fit beside each other.
MOST_PINS = 4
#: Pinned sets, as they are named wherever they stand beside each other.
PINNED = ("A", "B", "C", "D")


class Edit(NamedTuple):
    """One edit as written in a link, and whether it is switched on."""

    word: str
    on: bool = True


EditSet = tuple[Edit, ...]


class Settings(NamedTuple):
    """What the quick sets are made with, how long an answer may be, and what a page of its own is set to.

    adds: whether a set is added to the edits there are, or replaces them. answer_tokens: one of `ANSWER_TOKENS`.
    thinking: whether a model that can think before it answers does; None as the program is set. view: the Hydra page's,
    by its name; empty for the first. clamp: the BOS page's, as edits are written; empty for what that page suggests.
    """

    features_per_layer: int = 5
    least_cosine: float = 0.2
    seed: int = 0
    adds: bool = False
    answer_tokens: int = ANSWER_TOKENS[0]
    thinking: bool | None = None
    view: str = ""
    clamp: str = ""

    def within_limits(self) -> Settings:
        """The nearest settings that the widgets can show."""
        return Settings(
            min(max(self.features_per_layer, 1), 50),
            min(max(self.least_cosine, 0.0), 1.0),
            min(max(self.seed, 0), 10_000),
            self.adds,
            self.answer_tokens if self.answer_tokens in ANSWER_TOKENS else ANSWER_TOKENS[0],
            self.thinking,
            self.view,
            self.clamp,
        )


USUAL = Settings()


@dataclass(frozen=True)
class Workspace:
    """Everything a visitor set. earlier: the turns of a conversation before the prompt. pins: sets of edits kept aside,
    to be put back on whatever prompt there is. origin: the model that edits, pins and the clamp were chosen for.
    """

    prompt: str = ""
    earlier: tuple[Turn, ...] = ()
    edits: EditSet = ()
    settings: Settings = USUAL
    pins: tuple[EditSet, ...] = ()
    origin: Origin = NOT_KNOWN

    @property
    def asked(self) -> PromptLike:
        """What the model is asked: the prompt, or the whole conversation that ends with it."""
        return Conversation((*self.earlier, Turn("user", self.prompt))) if self.earlier else self.prompt

    @property
    def words(self) -> tuple[str, ...]:
        """Every edit, on or off."""
        return tuple(edit.word for edit in self.edits)

    @property
    def words_on(self) -> tuple[str, ...]:
        """The edits that are switched on."""
        return tuple(edit.word for edit in self.edits if edit.on)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Everything that was chosen for a model: every edit, on or off, those of pinned sets, and the clamp."""
        return (*self.words, *(edit.word for pin in self.pins for edit in pin), *split(self.settings.clamp))

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features that the edits name, on or off, each once."""
        names = dict.fromkeys(Word.parse(word).name for word in self.words)
        return tuple(Feature.parse(name) for name in names if name != "direction")


def with_prompt(workspace: Workspace, prompt: str) -> Workspace:
    """Ask something else, in the same conversation. Blanks alone are no prompt and change nothing."""
    return replace(workspace, prompt=prompt) if prompt.strip() else workspace


def with_other_prompt(workspace: Workspace, asked: PromptLike) -> Workspace:
    """Ask something else outside the conversation, if there is one: an example, or an earlier audit, which may be the
    last of another conversation."""
    if isinstance(asked, str):
        return replace(with_prompt(workspace, asked), earlier=())
    return replace(with_prompt(workspace, asked.text), earlier=asked.history)


def with_words(workspace: Workspace, words: Iterable[str]) -> Workspace:
    """Replace all edits by these, switched on; those past `MOST_EDITS` are left out."""
    chosen = tuple(dict.fromkeys(words))[:MOST_EDITS]
    return replace(workspace, edits=tuple(Edit(word) for word in chosen))


def with_more_words(workspace: Workspace, words: Iterable[str]) -> Workspace:
    """Add edits, switched on. An edit of the same feature at the same positions is replaced."""
    new = tuple(dict.fromkeys(words))
    replaced = {target(word) for word in new}
    kept = tuple(edit for edit in workspace.edits if target(edit.word) not in replaced)
    return replace(workspace, edits=(*kept, *(Edit(word) for word in new))[:MOST_EDITS])


def with_switched(workspace: Workspace, on: Collection[str], off: Collection[str]) -> Workspace:
    """Switch on and off the edits named, and leave the others as they are."""
    changed = (Edit(edit.word, (edit.on or edit.word in on) and edit.word not in off) for edit in workspace.edits)
    return replace(workspace, edits=tuple(changed))


def with_ticks(workspace: Workspace, ticked: Sequence[Feature], unticked: Sequence[Feature]) -> Workspace:
    """A newly ticked feature is ablated at every token, or its edits that were off are on again; the edits of one that
    is no longer ticked are gone, except those that are off.
    """
    on = {Word.parse(edit.word).name for edit in workspace.edits if edit.on}
    wanted = {str(feature) for feature in ticked}
    gone = {str(feature) for feature in unticked} & on
    kept = tuple(edit for edit in workspace.edits if Word.parse(edit.word).name not in gone)
    kept = tuple(Edit(edit.word, edit.on or Word.parse(edit.word).name in wanted) for edit in kept)
    there = {Word.parse(edit.word).name for edit in kept}
    new = [feature for feature in ticked if str(feature) not in there]
    return with_more_words(replace(workspace, edits=kept), words_for(new)) if new else replace(workspace, edits=kept)


def with_clamps(workspace: Workspace, features: Sequence[Feature], value: float, positions: str) -> Workspace:
    """Hold these features at a value, in place of every edit there is of them. Raises InputError."""
    names = {str(feature) for feature in features}
    kept = tuple(edit for edit in workspace.edits if Word.parse(edit.word).name not in names)
    return with_more_words(replace(workspace, edits=kept), words_for(features, value, positions))


def without_choice(workspace: Workspace, origin: Origin) -> Workspace:
    """Another model's: nothing of what was chosen for the one before."""
    settings = workspace.settings._replace(clamp="")
    return replace(workspace, edits=(), pins=(), settings=settings, origin=origin)


def with_settings(workspace: Workspace, **changed: Any) -> Workspace:
    """Change some of the settings, by their names."""
    return replace(workspace, settings=workspace.settings._replace(**changed))


def with_pin(workspace: Workspace) -> Workspace:
    """Keep the present edits aside; the oldest pinned set leaves when there are too many. Nothing is pinned twice."""
    if not workspace.edits or workspace.edits in workspace.pins:
        return workspace
    return replace(workspace, pins=(*workspace.pins, workspace.edits)[-MOST_PINS:])


def without_pin(workspace: Workspace, number: int) -> Workspace:
    """Forget one pinned set; a number that does not exist changes nothing."""
    return replace(workspace, pins=tuple(pin for place, pin in enumerate(workspace.pins) if place != number))


def with_pinned_edits(workspace: Workspace, number: int) -> Workspace:
    """Put one pinned set back in place of the present edits; a number that does not exist changes nothing."""
    return replace(workspace, edits=workspace.pins[number]) if 0 <= number < len(workspace.pins) else workspace


def words_for(features: Sequence[Feature], value: float = 0.0, positions: str = "all") -> tuple[str, ...]:
    """The words that hold `features` at `value` (0 ablates). Raises InputError."""
    return words_of(Edits.clamp(features, value, positions))


def words_of(edits: Edits) -> tuple[str, ...]:
    """The words of a set of edits."""
    return split(edits.to_text())


def split(text: str) -> tuple[str, ...]:
    """The single edits of a text, each once, in order, parted and written as people do it (`core.edits.typed`)."""
    return tuple(dict.fromkeys(typed.words(text)))


def direction_word(direction: Direction) -> str:
    """The word that ablates the refusal direction itself."""
    return Edits.ablate_direction(direction).to_text()


def target(word: str) -> tuple[str, str]:
    """(what, where) of an edit: `12-40=6@bos` → (“12-40”, “bos”); a condition is part of where. One set ablates the
    direction at one place only, so that has no where, and adding it is something else. Raises InputError."""
    read = Word.parse(word)
    if read.name == "direction":
        return ("direction", "") if read.value is None else ("direction added", read.positions)
    return read.name, read.positions if read.sensor is None else f"{read.positions}?{read.sensor}>{read.threshold}"
