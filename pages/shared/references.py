"""Reference answers of this visitor and of the model, and how well the model predicts them.

Knows: session state, files shipped with a model. Does not know: widgets. What a visitor gives stays in their session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from core import Edits, Engine
from core.measures.recovery import LEAST_GAP, Gap
from core.prompts.conversation import PromptLike
from core.prompts.references import Reference, references_for, shipped_references
from pages.shared.measurements import HASHES

#: Who wrote an answer that was typed on the page, as the page calls them.
YOU = "you"
_GIVEN = "references_given"


def add(references: Iterable[Reference]) -> None:
    """Use these from now on; one for a prompt that has one already takes its place."""
    st.session_state[_GIVEN] = given() | {one.prompt: one for one in references}


def remove(prompt: str) -> None:
    """Forget what the visitor gave for this prompt; a shipped answer is used again."""
    st.session_state[_GIVEN] = {text: one for text, one in given().items() if text != prompt.strip()}


def given() -> dict[str, Reference]:
    """prompt → what this visitor gave."""
    found = st.session_state.get(_GIVEN)
    return found if isinstance(found, dict) else {}


def known(engine: Engine, prompts: Sequence[str]) -> tuple[Reference, ...]:
    """One for each prompt that has any, the visitor's before those shipped. Raises AssetError."""
    return references_for(prompts, given().values(), _shipped(engine, engine.spec.name))


def of(engine: Engine, prompt: PromptLike) -> Reference | None:
    """The one of this prompt; a conversation has none. Raises AssetError."""
    found = known(engine, [prompt]) if isinstance(prompt, str) else ()
    return found[0] if found else None


@st.cache_data(max_entries=4, show_spinner=False)
def _shipped(_engine: Engine, name: str) -> list[Reference]:
    return shipped_references(_engine.spec.references)


@st.cache_data(max_entries=512, show_spinner=False, hash_funcs=HASHES | {Reference: repr})
def gap(_engine: Engine, key: str, reference: Reference, edits: Edits) -> Gap:
    """How well the answer is predicted under these edits, and without. Raises InputError."""
    return _engine.recovery([reference], [edits])[0][0]


def writer(reference: Reference) -> str:
    """Who wrote it, for other people and later: “you” would be somebody else then. Empty where it is not known."""
    return "a visitor" if reference.model == YOU else reference.model


def percent(gap: Gap) -> str:
    """“59%”, “−4%”; “≥ 30%” where the writer's NLL is a guess from below; “no gap” where none is to recover."""
    if gap.width < LEAST_GAP:
        return "no gap"
    text = f"{gap.recovery:.0%}".replace("-", "−")
    return (f"≥ {text}" if gap.recovery > 0 else f"≤ {text}") if gap.floor and gap.recovery else text
