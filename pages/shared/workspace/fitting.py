"""Which edits of a workspace an engine can apply: those of a link may be of another model, or no edits at all.

Knows: engines, how an edit is written. Does not know: the session, or how anything is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core import Edits, Engine, InputError
from pages.shared.workspace import state
from pages.shared.workspace.state import EditSet, Workspace


def edits_of(words: Sequence[str], engine: Engine) -> Edits:
    """The edits that words name, on this engine. Raises InputError."""
    return Edits.from_text(",".join(words), engine.direction() if engine.has_direction else None)


def fitted(workspace: Workspace, engine: Engine) -> tuple[Workspace, str]:
    """The workspace without the edits that this engine cannot apply, on, off or pinned, and what was left out, in
    sentences; empty where nothing was. A pinned set that has none left is gone."""
    edits, trouble = _usable(workspace.edits, engine)
    pins = [_usable(pin, engine) for pin in workspace.pins]
    pinned = next((why for _, why in pins if why), "")
    said = [
        f"Some edits cannot be used with this model and were left out. {trouble}" if trouble else "",
        f"Some edits of pinned sets cannot be used with this model and were left out. {pinned}" if pinned else "",
    ]
    kept = tuple(dict.fromkeys(pin for pin, _ in pins if pin)) if pinned else workspace.pins
    return replace(workspace, edits=edits, pins=kept), " ".join(filter(None, said))


def _usable(edits: EditSet, engine: Engine) -> tuple[EditSet, str]:
    """The edits this engine can apply, and which it cannot, with the first reason; no reason when it can apply all."""
    words = [edit.word for edit in edits]
    try:
        engine.check(edits_of(words, engine))
        return edits, ""
    except InputError as error:
        trouble = str(error)
    usable: dict[tuple[str, str], str] = {}  # of two edits of one feature at the same places, the first
    for word in words:
        try:
            engine.check(edits_of((word,), engine))
            usable.setdefault(state.target(word), word)
        except InputError:
            continue
    kept = set(usable.values())
    left = tuple(edit for edit in edits if edit.word in kept)
    left_out = [word for word in words if word not in kept]
    if len(left_out) == 1:
        return left, trouble
    return left, f"The edits that cannot be used: {', '.join(left_out[:5])}{' …' * (len(left_out) > 5)}. {trouble}"
