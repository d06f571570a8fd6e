"""Which edits of a workspace an engine can apply: those of a link may be of another model, or no edits at all.

Knows: engines, how an edit is written. Does not know: the session, or how anything is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core import Edits, Engine, InputError
from pages.shared.workspace.state import Edit, EditSet, Workspace, target


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
        f"Some edits cannot be used here and were left out: {trouble}" if trouble else "",
        f"Some edits of pinned sets cannot be used here and were left out: {pinned}" if pinned else "",
    ]
    kept = tuple(dict.fromkeys(pin for pin, _ in pins if pin)) if pinned else workspace.pins
    return replace(workspace, edits=edits, pins=kept), " ".join(filter(None, said))


def _usable(edits: EditSet, engine: Engine) -> tuple[EditSet, str]:
    """The edits this engine can apply in one set, of those that exclude each other the first, and which it cannot, with
    the reason for the first; no reason when it can apply all."""
    if _trouble(edits, engine) is None:
        return edits, ""
    left_out: dict[Edit, str] = {}
    first: dict[tuple[str, str], Edit] = {}
    for edit in edits:
        why = _trouble((edit,), engine)
        if why is None and (before := first.setdefault(target(edit.word), edit)) != edit:
            why = _trouble((before, edit), engine)
        if why is not None:
            left_out[edit] = why
    words = ", ".join(edit.word for edit in [*left_out][:5]) + " …" * (len(left_out) > 5)
    return tuple(edit for edit in edits if edit not in left_out), f"{words}. {next(iter(left_out.values()))}"


def _trouble(edits: EditSet, engine: Engine) -> str | None:
    """Why this engine cannot apply these in one set, were they all on; None when it can."""
    try:
        engine.check(edits_of([edit.word for edit in edits], engine))
    except InputError as error:
        return str(error)
    return None
