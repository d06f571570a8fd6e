"""`python -m core models`: the models that are known, and one's own added, looked at and removed.

Knows: what is printed. Does not know: argument parsing (`core.__main__`), how a model is checked.
"""

from __future__ import annotations

import sys

from core.hub.errors import size_text
from core.models.added import added_models, list_trouble
from core.models.catalogue import KNOWN_MODELS, Choice
from core.models.check_added import Draft, check_draft
from core.models.footprint import Footprint, footprint
from core.models.registry import find_spec, forget, remember
from core.progress import Progress
from core.saes.find import saes_text
from core.text.layers import layers_text


def list_models() -> None:
    """Print every known model: name, model, SAEs, and where from."""
    demo = find_spec("demo")
    rows = [
        ("name", "model", "SAEs", "from"),
        ("demo", demo.model_id, f"its own, layers {layers_text(demo.layers)}", "shipped with the program"),
    ]
    for model in added_models().values():
        place = f"{model.model_id}@{model.revision}" if model.revision else model.model_id
        rows.append((model.name, place, saes_text(model.saes), "you"))
    for known in KNOWN_MODELS:
        for suite in known.suites:
            saes = f"{suite.release}, layers {layers_text(suite.layers)}"
            rows.append((Choice(known, suite, None).name, known.model_id, saes, "the catalogue"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join((*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3])))
    warn()


def add_model(draft: Draft, progress: Progress) -> None:
    """Check a model, print what was found and what it takes, and remember it.

    Raises InputError, AssetError, DownloadError.
    """
    found = check_draft(draft, progress)
    print("\n".join(found.lines))
    takes = footprint(found.spec)
    remember(found.model)
    print(footprint_text(takes))
    print(f"“{found.model.name}” is on your list; use it with --model {found.model.name}, or on the Models page.")
    warn()


def tell_needs(name: str) -> None:
    """Print what a known model takes. Raises UnknownModelError, DownloadError."""
    print(footprint_text(footprint(find_spec(name))))


def remove_model(name: str) -> None:
    """Take a model of one's own off the list. Raises UnknownModelError, AssetError."""
    forget(name)
    print(f"“{name}” is off your list; what was downloaded, and what was found with it, stays.")


def warn() -> None:
    """Tell of a damaged list, on stderr."""
    if told := list_trouble():
        print(told, file=sys.stderr)


def footprint_text(found: Footprint) -> str:
    """What a model takes, in lines for people."""
    download = size_text(found.download) if found.download else "nothing"
    packing = size_text(found.packing) if found.packing else "nothing"
    lines = [
        f"Parameters: {found.parameters / 1e9:.2f} billion; {found.saes} SAEs, {found.saes_packed} of them packed",
        f"To download: {download}; to pack: {packing}; memory: about {size_text(found.memory)}, "
        f"{size_text(found.free)} free",
        f"{found.verdict} ({found.placement})",
    ]
    if found.needs_token:
        lines.append(
            "Gated: accept the licence on the model's page, then log in with `hf auth login`, or set HF_TOKEN."
        )
    if not found.online:
        lines.append("The hub could not be asked; this is told from what is here.")
    return "\n".join(lines)
