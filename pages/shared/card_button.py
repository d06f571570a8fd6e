"""“Card” on a page: what is looked at as one file that others can check, made when asked for, then downloaded.

Knows: the popover, and which edits of the workspace go into a card. Does not know: what is in a card (`core.card`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from core import Edits, Engine, HydrascopeError
from core.card.contents import Card
from core.card.features import About
from core.card.files import card_bytes
from core.card.make import EDITED, Asked, make_card
from core.progress import Progress
from core.prompts.conversation import PromptLike
from pages.shared import history, measurements
from pages.shared.kept import Kept
from pages.shared.meanings import meaning_of
from pages.shared.progress_bar import progress_bar
from pages.shared.trouble import show_error
from pages.shared.workspace import fitting, session
from pages.shared.workspace.session import Request
from pages.shared.workspace.state import PINNED

#: Form → what its button says, and the type of its file.
_FORMS = {
    ".html": ("Page (HTML)", "text/html", ":material/badge:"),
    ".json": ("Data (JSON)", "application/json", ":material/data_object:"),
    ".ipynb": ("Notebook", "application/x-ipynb+json", ":material/menu_book:"),
    ".gguf": ("Control vector", "application/octet-stream", ":material/north_east:"),
}


def of_request(place: Any, engine: Engine, key: str, request: Request, page: str, waking: bool = False) -> None:
    """The card of the strip's prompt: the edits that are on, and every pinned set. waking: also what wakes."""
    now = session.current()
    states = [(EDITED, request.edits)] if request.edits else []
    for name, pin in zip(PINNED, now.pins, strict=False):
        edits = fitting.edits_of([edit.word for edit in pin if edit.on], engine)
        if edits and edits not in [known for _, known in states]:
            states.append((name, edits))
    of_prompts(place, engine, key, [(request.prompt, tuple(states))], now.settings.answer_tokens, page, waking)


def of_prompts(
    place: Any,
    engine: Engine,
    key: str,
    asked: Sequence[tuple[PromptLike, tuple[tuple[str, Edits], ...]]],
    tokens: int,
    page: str,
    waking: bool = False,
) -> None:
    """The card of these prompts, each with its named edit sets; answers that are written already are taken."""
    agreed, seed = bool(st.session_state.get(history.KEEPS)), session.current().settings.seed

    def make(progress: Progress) -> Card:
        return make_card(
            engine,
            [Asked(prompt, states, tokens, _written(key, prompt, states, tokens)) for prompt, states in asked],
            page=page,
            agreed=agreed,
            about=About(measurements.labels(engine, engine.spec.name), meaning_of(key)),
            seed=seed,
            waking=waking,
            progress=progress,
        )

    about = (
        "The answers’ texts are in it, because “Keep answers” is on in the sidebar."
        if agreed
        else "The answers’ texts are left out. To have them in it, switch on “Keep answers” in the sidebar."
    )
    draw(place, (key, page, tuple(asked), tokens, agreed, seed, waking), "hydrascope-card", make, about)


def draw(place: Any, what: tuple, name: str, make: Callable[[Progress], Card], about: str, key: str = "card") -> None:
    """The popover. what: names everything the card depends on. name: of its files. make: measures it. about: whether
    answers are in it. key: of its widgets."""
    with place.popover(
        "Card",
        icon=":material/badge:",
        type="tertiary",
        key=key,
        on_change="rerun",
        help="All of this as one file that others can check: numbers, random controls, and where they come from",
    ) as box:
        if not box.open:
            return
        st.caption(f"An audit card is one file that anybody can check with `hydrascope card verify`. {about}")
        card: Card | None = _kept().get(what)
        slot = st.empty()
        if card is None and slot.button("Make the card", key=f"{key}_make", icon=":material/play_arrow:"):
            slot.empty()
            card = _made(what, make)
        if card is not None:
            _downloads(card, name, key)


def _made(what: tuple, make: Callable[[Progress], Card]) -> Card | None:
    """Measured now; None where that cannot be done, which is said."""
    try:
        with progress_bar("Measuring the controls and what the edits cost") as progress:
            card = make(progress)
    except HydrascopeError as error:
        show_error(error)
        return None
    _kept().put(what, card)
    return card


def _downloads(card: Card, name: str, key: str) -> None:
    direction = card.source.direction
    there = {".ipynb": bool(card.cases), ".gguf": direction is not None and direction.layer > 0}
    with st.container(horizontal=True, gap="xsmall"):
        for ending, (label, kind, icon) in _FORMS.items():
            if there.get(ending, True):
                st.download_button(
                    label,
                    partial(card_bytes, card, ending),
                    f"{name}{ending}",
                    kind,
                    key=f"{key}{ending}",
                    icon=icon,
                    type="primary" if ending == ".html" else "secondary",
                    on_click="ignore",
                )


def _written(key: str, prompt: PromptLike, states: Sequence[tuple[str, Edits]], tokens: int) -> dict[Edits, Any]:
    """The answers that this page or another wrote already."""
    sets = [Edits(), *(edits for _, edits in states)]
    found = {edits: measurements.answers().get((key, Request(prompt, edits), tokens)) for edits in sets}
    return {edits: answer for edits, answer in found.items() if answer is not None}


@st.cache_resource(show_spinner=False)
def _kept() -> Kept:
    """The last cards made, by everything they depend on."""
    return Kept(8)
