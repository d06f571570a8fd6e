"""What one visitor is looking at: a prompt, and edits that are on or off. Small values only, never a tensor.

Knows: session state and the link in the address bar. Does not know: how anything is measured or drawn.
The edits are kept as the words of a link (`12-40`, `14-7=6@bos`, `direction`), because they are small, comparable and
exactly what is sent to someone else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import streamlit as st

from core import Edits, Engine, Feature, InputError
from core.edits.direction import Direction
from core.edits.text import Word
from pages.shared import links
from pages.shared.links import Link

#: More would make the page slow and no link could carry them.
MOST_EDITS = 2000
PROMPT, KNOWN, ON, BOX = "audit_prompt", "audit_known", "audit_on", "audit_box"
_LINK, _NOTICE, _FIRST = "audit_link", "audit_notice", "audit_first"


class Request(NamedTuple):
    """What is asked for: small, hashable, and the key of everything remembered about it."""

    prompt: str
    edits: str  # as in a link


def current() -> Request:
    """What the visitor asks for now."""
    known = st.session_state.get(KNOWN, ())
    on = set(st.session_state.get(ON) or ())
    return Request(st.session_state.get(PROMPT, ""), links.text(word for word in known if word in on))


def known_words() -> tuple[str, ...]:
    """Every edit of the active set, switched on or not."""
    return st.session_state.get(KNOWN, ())


def edits_of(text: str, engine: Engine) -> Edits:
    """The edits a request names, on this engine. Raises InputError."""
    return Edits.from_text(text, engine.direction() if engine.has_direction else None)


def set_prompt(text: str) -> None:
    """Ask for another prompt; the box shows it too."""
    st.session_state[PROMPT] = st.session_state[BOX] = text


def set_words(words: Iterable[str]) -> None:
    """Replace the active set, everything on. Call from a callback, or before the set is drawn."""
    chosen = tuple(dict.fromkeys(words))
    if len(chosen) > MOST_EDITS:
        say(f"Only the first {MOST_EDITS:,} of {len(chosen):,} edits were taken, the most this page handles.")
        chosen = chosen[:MOST_EDITS]
    st.session_state[KNOWN] = chosen
    st.session_state[ON] = list(chosen)


def add_words(words: Iterable[str]) -> None:
    """Add to the active set, switched on. An edit of the same feature at the same positions is replaced."""
    new = tuple(dict.fromkeys(words))
    replaced = {_target(word) for word in new}
    kept = [word for word in known_words() if _target(word) not in replaced]
    off = set(kept) - set(st.session_state.get(ON) or ())
    set_words((*kept, *new))
    st.session_state[ON] = [word for word in st.session_state[KNOWN] if word not in off]


def words_for(features: Sequence[Feature], value: float = 0.0, positions: str = "all") -> tuple[str, ...]:
    """The words that hold `features` at `value` (0 ablates). Raises InputError."""
    return words_of(Edits.clamp(features, value, positions))


def words_of(edits: Edits) -> tuple[str, ...]:
    """The words of a set of edits."""
    return links.words(edits.to_text())


def direction_word(direction: Direction) -> str:
    """The word that ablates the refusal direction itself."""
    return Edits.ablate_direction(direction).to_text()


def named_features() -> list[Feature]:
    """The features the active set names, on or off, each once."""
    names = dict.fromkeys(_target(word)[0] for word in known_words())
    return [Feature.parse(name) for name in names if name != "direction"]


def adopt_link(engine: Engine, first_prompt: str) -> None:
    """Take over prompt and edits from the address bar, when they are not what we wrote there ourselves.

    first_prompt: shown when the link names none. Edits that this model does not have are left out and said. Coming
    back from another page, whose address has no prompt, changes nothing.
    """
    link = links.read(st.query_params)
    back = st.session_state.get("opened_from") not in (None, st.session_state.get("page"))
    if st.session_state.get(_LINK) == link or (back and link == Link() and PROMPT in st.session_state):
        return
    st.session_state[_FIRST] = Request(first_prompt, "")
    st.session_state[_LINK] = link
    set_prompt(link.prompt or first_prompt)
    usable, trouble = _usable(links.words(link.edits), engine)
    set_words(usable)
    if trouble:
        say(f"Part of the link cannot be used with this model. {trouble}")


def write_link(request: Request) -> Link:
    """Put the request into the address bar, and return it. The first example has the page's bare address."""
    link = Link(request.prompt, request.edits)
    bare = request == st.session_state.get(_FIRST) and not links.read(st.query_params).prompt
    parameters = {} if bare else link.parameters()
    if dict(st.query_params) != parameters:
        st.query_params.from_dict(parameters)
    st.session_state[_LINK] = links.read(parameters)
    return link


def say(sentence: str) -> None:
    """Keep a sentence to show on this visitor's next run."""
    st.session_state[_NOTICE] = sentence


def take_notice() -> str | None:
    """The sentence kept, once."""
    return st.session_state.pop(_NOTICE, None)


def _usable(words: Sequence[str], engine: Engine) -> tuple[list[str], str]:
    """The words this engine can apply, and which it cannot, with the first reason."""
    try:
        engine.check(edits_of(links.text(words), engine))
        return list(words), ""
    except InputError as error:
        trouble = str(error)
    usable = []
    for word in words[:MOST_EDITS]:
        try:
            engine.check(edits_of(word, engine))
            usable.append(word)
        except InputError:
            continue
    left_out = [word for word in words if word not in usable]
    return usable, trouble if len(
        left_out
    ) == 1 else f"Left out: {', '.join(left_out[:5])}{' …' * (len(left_out) > 5)}. {trouble}"


def _target(word: str) -> tuple[str, str]:
    """(what, where) of an edit: `12-40=6@bos` → (“12-40”, “bos”); a condition is part of where."""
    read = Word.parse(word)
    return read.name, read.positions if read.sensor is None else f"{read.positions}?{read.sensor}>{read.threshold}"
