"""`hydrascope models`: lists the known models, and adds, inspects and removes your own.

Knows: what is printed. Does not know: how a model is checked.
"""

from __future__ import annotations

import argparse

from core.commands.exit_codes import ExitCode
from core.commands.needs import footprint_text
from core.commands.terminal import note, progress_bar, table
from core.text.layers import layers_option, layers_text

SUMMARY = "list the known models, or add, inspect and remove your own"
EXAMPLE = "hydrascope models add mine --model owner/model --saes release-of-saelens --layers 12,13"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="without an action, lists every known model")
    add = actions.add_parser("add", help="check a model and add it to your list under a name")
    add.add_argument("name")
    add.add_argument(
        "--model", required=True, metavar="ID", help="the model's name on the hub, owner/model, or its folder"
    )
    add.add_argument(
        "--saes",
        required=True,
        metavar="RELEASE_OR_FOLDER",
        help="a SAELens release, release/sae_id, or a folder with one or more SAELens SAEs",
    )
    add.add_argument(
        "--choose",
        default="",
        metavar="TEXT",
        help=(
            "which SAE to use if a layer has several: part of the name, or the whole name with {layer} in place of "
            "the number"
        ),
    )
    add.add_argument("--layers", metavar="N,N", help="such as 12,13 or 2-16 (default: all layers with an SAE)")
    add.add_argument(
        "--refusal-word", default="I", metavar="WORD", help="the first word of refusals, or a token id (I)"
    )
    add.add_argument("--revision", default="", help="a branch, tag or commit on the hub")
    actions.add_parser("needs", help="show what a known model needs, without loading it").add_argument("name")
    actions.add_parser("remove", help="remove a model from your list").add_argument("name")


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
        ("demo", demo.model_id, f"shipped SAEs, layers {layers_text(demo.layers)}", "shipped with the program"),
    ]
    for spec in map(from_gguf, GGUF_MODELS):
        saes = f"shipped SAEs, layers {layers_text(spec.layers)}" if spec.layers else "none yet"
        rows.append((spec.name, spec.model_id, saes, "a GGUF file, downloaded at first use"))
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

    layers = layers_option(options.layers)
    draft = Draft(
        options.name, options.model, options.saes, options.choose, layers, options.refusal_word, options.revision
    )
    with progress_bar() as progress:
        found = check_draft(draft, progress)
    print("\n".join(found.lines))
    takes = footprint(found.spec)
    remember(found.model)
    print(footprint_text(takes))
    print(f"“{found.model.name}” is now on your list. Use it with --model {found.model.name}, or on the Models page.")
    _warn()


def _print_footprint(name: str) -> None:
    from core.models.footprint import footprint
    from core.models.registry import find_spec

    print(footprint_text(footprint(find_spec(name))))


def _remove(name: str) -> None:
    from core.models.registry import forget

    forget(name)
    print(f"“{name}” was removed from your list. Its downloaded files and its results are kept.")


def _warn() -> None:
    """A damaged list is noted beside the result."""
    from core.models.added import list_trouble

    if sentence := list_trouble():
        note(sentence)
