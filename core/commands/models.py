"""`hydrascope models`: the models that are known; one of yours added, looked at and removed.

Knows: what is printed. Does not know: how a model is checked.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.commands.exit_codes import ExitCode
from core.commands.terminal import note, progress_bar, table
from core.text.layers import layers_text, parse_layers

if TYPE_CHECKING:
    from core.models.footprint import Footprint

SUMMARY = "the models that are known, and one of yours added"
EXAMPLE = "hydrascope models add mine --model owner/model --saes release-of-saelens --layers 12,13"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", title="without any of these, every known model is listed"
    )
    add = actions.add_parser("add", help="check a model of yours, and remember it by a name")
    add.add_argument("name")
    add.add_argument("--model", required=True, metavar="ID", help="its name on the hub, owner/model, or its folder")
    add.add_argument(
        "--saes",
        required=True,
        metavar="RELEASE_OR_FOLDER",
        help="a release of SAELens, or release/sae_id; or a SAELens SAE's folder, or one that holds several",
    )
    add.add_argument(
        "--choose",
        default="",
        metavar="TEXT",
        help="which SAE, where there are several at a layer: parts of its name, or all of it with {layer} in it",
    )
    add.add_argument("--layers", default="", metavar="N,N", help="such as 12,13 or 2-16; without it all there are")
    add.add_argument("--refusal-word", default="I", metavar="WORD", help="what refusals begin with, or a token id (I)")
    add.add_argument("--revision", default="", help="a branch, tag or commit on the hub")
    actions.add_parser("needs", help="what a known model takes; nothing of it is loaded").add_argument("name")
    actions.add_parser("remove", help="take one off your list").add_argument("name")


def run(options: argparse.Namespace) -> int:
    """List, add, look at or remove. Raises InputError, UnknownModelError, AssetError, DownloadError."""
    match options.action:
        case "add":
            _add(options)
        case "needs":
            _print_footprint(options.name)
        case "remove":
            _remove(options.name)
        case _:
            _list()
    return ExitCode.DONE


def _list() -> None:
    """Every known model: name, model, SAEs, and where from."""
    from core.models.added import added_models
    from core.models.catalogue import KNOWN_MODELS, Choice
    from core.models.gguf_models import GGUF_MODELS
    from core.models.registry import find_spec, from_gguf
    from core.saes.find import saes_text

    demo = find_spec("demo")
    rows = [
        ("name", "model", "SAEs", "from"),
        ("demo", demo.model_id, f"its own, layers {layers_text(demo.layers)}", "shipped with the program"),
    ]
    for spec in map(from_gguf, GGUF_MODELS):
        saes = f"its own, layers {layers_text(spec.layers)}" if spec.layers else "none yet"
        rows.append((spec.name, spec.model_id, saes, "a GGUF file, fetched when it is first used"))
    for model in added_models().values():
        place = f"{model.model_id}@{model.revision}" if model.revision else model.model_id
        rows.append((model.name, place, saes_text(model.saes), "you"))
    for known in KNOWN_MODELS:
        for suite in known.suites:
            saes = f"{suite.release}, layers {layers_text(suite.layers)}"
            rows.append((Choice(known, suite, None).name, known.model_id, saes, "the catalogue"))
    table(rows)
    _warn()


def _add(options: argparse.Namespace) -> None:
    """Check a model, print what was found and what it takes, and remember it."""
    from core.models.check_added import Draft, check_draft
    from core.models.footprint import footprint
    from core.models.registry import remember

    layers = parse_layers(options.layers)
    draft = Draft(
        options.name, options.model, options.saes, options.choose, layers, options.refusal_word, options.revision
    )
    with progress_bar() as progress:
        found = check_draft(draft, progress)
    print("\n".join(found.lines))
    takes = footprint(found.spec)
    remember(found.model)
    print(_footprint_text(takes))
    print(f"“{found.model.name}” is on your list; use it with --model {found.model.name}, or on the Models page.")
    _warn()


def _print_footprint(name: str) -> None:
    from core.models.footprint import footprint
    from core.models.registry import find_spec

    print(_footprint_text(footprint(find_spec(name))))


def _remove(name: str) -> None:
    from core.models.registry import forget

    forget(name)
    print(f"“{name}” is off your list; what was downloaded, and what was found with it, stays.")


def _warn() -> None:
    """A damaged list is noted beside the result."""
    from core.models.added import list_trouble

    if sentence := list_trouble():
        note(sentence)


def _footprint_text(found: Footprint) -> str:
    """What a model takes, in lines for people."""
    from core.text.sizes import size_text

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
        lines.append("The hub could not be asked; these numbers are of what is here.")
    return "\n".join(lines)
