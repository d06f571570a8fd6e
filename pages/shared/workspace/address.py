"""The workspace as the query parameters of an address, and back.

Pure functions. Knows: parameter names and how long a link may be. Does not know: Streamlit, models, or whether the
edits fit a model (the engine says so when they are read).

    prompt=…            what is asked          turn=…&turn=…   a conversation's turns before it, user first
    edits=2-3,~3-4      edits; ~ is off        pin=…           a pinned set, like edits; once for each
    k=7 near=0.3 seed=2 mode=add tokens=64      settings, where they are not the usual ones
    view=Dose           the Hydra page's view   clamp=2-3=6@bos  what the BOS page clamps
    model=demo          the model they were chosen for   saes=2.0a1b2c  and the SAEs of their layers

Edits are parted and written as at the command line (`core.edits.typed`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from core import InputError
from core.edits.named_layers import named_layers
from core.edits.text import Word
from core.prompts.conversation import Turn
from pages.shared.workspace import origin
from pages.shared.workspace.state import MOST_EDITS, MOST_PINS, USUAL, Edit, EditSet, Settings, Workspace, split

PROMPT, TURN, EDITS, PIN = "prompt", "turn", "edits", "pin"
TOP, NEAR, SEED, MODE, ADD, TOKENS, THINKING = "k", "near", "seed", "mode", "add", "tokens", "thinking"
VIEW, CLAMP = "view", "clamp"
MODEL, SAES = "model", "saes"
NAMES = (PROMPT, TURN, EDITS, PIN, TOP, NEAR, SEED, MODE, TOKENS, THINKING, VIEW, CLAMP, MODEL, SAES)
OFF = "~"
#: Longer links are cut by mail programs, proxies and browsers.
LONGEST_LINK = 6000

Parameters = dict[str, tuple[str, ...]]


class Link(NamedTuple):
    """What an address can carry of a workspace. too_long: what it had to leave out, in words; empty when nothing."""

    parameters: Parameters
    too_long: str = ""

    def url(self, page: str) -> str:
        """The whole address, on the page's own address."""
        parts = urlsplit(page)
        # A comma and an equals sign need no escaping in a query, and a link is easier to read with them.
        return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", _query(self.parameters), ""))


def link_to(workspace: Workspace) -> Link:
    """The link to a workspace. Where all of it would be too long, pinned sets are left out first, then the edits or the
    prompt, whichever is longer; nothing is cut in the middle.
    """
    parts = _parameters(workspace)
    left_out: list[str] = []
    longest_first = sorted((EDITS, PROMPT), key=lambda name: -_length({name: parts.get(name, ())}))
    for name in (PIN, CLAMP, TURN, *longest_first):
        if _length(parts) <= LONGEST_LINK:
            break
        if name in parts:
            del parts[name]
            left_out.append(name)
    return Link(parts, _said(left_out))


def read(parameters: Mapping[str, Sequence[str]]) -> Workspace:
    """The workspace that an address describes. A missing setting has its default, and an unreadable one is left out.
    Unknown parameters are ignored."""
    first = {name: values[0] for name, values in parameters.items() if values}
    earlier = tuple(Turn(("user", "assistant")[place % 2], text) for place, text in enumerate(parameters.get(TURN, ())))
    usual = USUAL
    settings = Settings(
        int(_number(first.get(TOP), usual.features_per_layer)),
        _number(first.get(NEAR), usual.least_cosine),
        int(_number(first.get(SEED), usual.seed)),
        first.get(MODE) == ADD,
        int(_number(first.get(TOKENS), usual.answer_tokens)),
        {"on": True, "off": False}.get(first.get(THINKING, "")),
        first.get(VIEW, ""),
        first.get(CLAMP, ""),
    )
    return Workspace(
        first.get(PROMPT, ""),
        earlier if len(earlier) % 2 == 0 else (),
        _read_edits(first.get(EDITS, "")),
        settings.within_limits(),
        tuple(filter(None, map(_read_edits, parameters.get(PIN, ()))))[-MOST_PINS:],
        origin.read(first.get(MODEL, ""), first.get(SAES, "")),
    )


def lost(parameters: Mapping[str, Sequence[str]]) -> str:
    """What an address asks for and `read` does not take over, in sentences; empty where it takes all. Settings out of
    bounds are not among it: the page shows which it has."""
    said = [_repeated(name, parameters.get(name, ())) for name in NAMES if name not in (TURN, PIN)]
    if len(parameters.get(TURN, ())) % 2:
        said.append(
            "The link has an odd number of earlier turns, so it is not a conversation that alternates between user "
            "and assistant. The prompt is asked by itself."
        )
    sets, pins = parameters.get(EDITS, ()), [pin for pin in parameters.get(PIN, ()) if _read_edits(pin)]
    for text in (*sets[:1], *pins):
        words = _words(text)
        off = {_same(word.removeprefix(OFF)) for word in words if word.startswith(OFF)}
        both = [word for word in words if not word.startswith(OFF) and _same(word) in off]
        if both:
            said.append(f"The link has {both[0]:.40} both on and off, and it is taken as it stands first.")
        if len(words) > MOST_EDITS:
            said.append(f"A set can have at most {MOST_EDITS:,} edits. The others were left out.")
    if len(pins) > MOST_PINS:
        said.append(f"The link has {len(pins)} pinned sets, and the last {MOST_PINS} are kept.")
    return " ".join(filter(None, dict.fromkeys(said)))


def says(here: Parameters, parameters: Parameters) -> bool:
    """Whether an address asks for just this, though it may not say for which model: it can stay as it is then."""
    if MODEL in here:
        return here == parameters
    return here == {name: values for name, values in parameters.items() if name not in (MODEL, SAES)}


def ours(parameters: Mapping[str, Sequence[str]]) -> Parameters:
    """The parameters of an address that are the workspace's, to compare addresses by."""
    return {name: tuple(parameters[name]) for name in NAMES if parameters.get(name)}


def _parameters(workspace: Workspace) -> Parameters:
    """All of it, whatever its length."""
    usual, now = USUAL, workspace.settings
    saes = origin.write_saes(workspace.origin, named_layers(workspace.chosen))
    found: dict[str, Sequence[str]] = {
        PROMPT: (workspace.prompt,) if workspace.prompt else (),
        TURN: [turn.text for turn in workspace.earlier],
        EDITS: (_write_edits(workspace.edits),) if workspace.edits else (),
        PIN: [_write_edits(pin) for pin in workspace.pins],
        TOP: () if now.features_per_layer == usual.features_per_layer else (str(now.features_per_layer),),
        NEAR: () if now.least_cosine == usual.least_cosine else (f"{now.least_cosine:g}",),
        SEED: () if now.seed == usual.seed else (str(now.seed),),
        MODE: (ADD,) if now.adds else (),
        TOKENS: () if now.answer_tokens == usual.answer_tokens else (str(now.answer_tokens),),
        THINKING: () if now.thinking is None else ("on" if now.thinking else "off",),
        VIEW: (now.view,) if now.view else (),
        CLAMP: (now.clamp,) if now.clamp else (),
        MODEL: (workspace.origin.model,) if workspace.origin.model else (),
        SAES: (saes,) if saes else (),
    }
    return ours(found)


def _write_edits(edits: EditSet) -> str:
    return ",".join(edit.word if edit.on else OFF + edit.word for edit in edits)


def _repeated(name: str, values: Sequence[str]) -> str:
    """What is dropped of a parameter that an address has several times with different values."""
    dropped = [value for value in dict.fromkeys(values) if value != values[0]]
    if not dropped:
        return ""
    first, others = _shown(values[0]), " and ".join(map(_shown, dropped[:3])) + " …" * (len(dropped) > 3)
    return f"The link has “{name}” {len(values)} times. The first, {first}, was taken, and {others} was left out."


def _shown(value: str) -> str:
    return f"“{value[:60]}{'…' * (len(value) > 60)}”"


def _words(text: str) -> tuple[str, ...]:
    """The single edits of a set, those that are off with `OFF` before them."""
    return split(re.sub(rf"{OFF}\s+", OFF, text))


def _read_edits(text: str) -> EditSet:
    """Each edit once, as it stands first, however it is written."""
    found: dict[str, Edit] = {}
    for word in _words(text)[:MOST_EDITS]:
        name = word.removeprefix(OFF)
        found.setdefault(_same(name), Edit(name, not word.startswith(OFF)))
    found.pop("", None)
    return tuple(found.values())


def _same(word: str) -> str:
    """One text for every way to write an edit: `14-77=0` is `14-77`. What cannot be read is left as it is."""
    try:
        read = Word.parse(word)
    except InputError:
        return word
    return str(read if read.value or read.name == "direction" else read._replace(value=None))


def _number(text: str | None, usual: float) -> float:
    try:
        number = float(text) if text else usual
    except ValueError:
        return usual
    return number if math.isfinite(number) else usual


def _query(parameters: Parameters) -> str:
    return "&".join(
        f"{name}={quote(value, safe=',=@', errors='replace')}"
        for name, values in parameters.items()
        for value in values
    )


def _length(parameters: Parameters) -> int:
    return len(_query(parameters))


def _said(left_out: Sequence[str]) -> str:
    words = {
        PROMPT: "The prompt is too long for a link",
        TURN: "The conversation is too long for a link",
        EDITS: "The edits are too many for a link",
        PIN: "The pinned sets are too many for a link",
        CLAMP: "The clamp on the BOS page has too many features for a link",
    }
    if not left_out:
        return ""
    name = next(name for name in (PROMPT, EDITS, TURN, CLAMP, PIN) if name in left_out)
    return (
        f"{words[name]} ({LONGEST_LINK:,} characters). The address does not contain everything, so a reload will "
        "lose it."
    )
