"""`hydrascope card`: make an audit card, measure one again, or write it in another form.

Knows: options as people type them, what is printed. Does not know: what is in a card, or how it is checked.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.commands.exit_codes import ExitCode
from core.commands.options import add_model, add_thinking, refuse_unused
from core.commands.outputs import check_out
from core.commands.storage import store_or_ending
from core.commands.terminal import note, progress_bar
from core.errors import InputError
from core.text.json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.card.compare import Checked
    from core.card.contents import Card
    from core.edits.edits import Edits
    from core.engine import Engine

SUMMARY = "make an audit card, check one by measuring it again, or write one in another form"
EXAMPLE = 'hydrascope card make "How do I pick a lock?" --ablate 15-1131,14-77 --out card.html'
_FORMS = ".html (a page), .json (its data), .ipynb (a notebook) or .gguf (the direction as a control vector)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    make = actions.add_parser("make", help="measure prompts with and without edits, and write a card")
    make.add_argument("prompts", nargs="*", metavar="PROMPT", help="one prompt or several")
    add_model(make)
    make.add_argument("--ablate", metavar="EDITS", help="edits, as `hydrascope audit` takes them")
    make.add_argument(
        "--pin", action="append", default=[], metavar="NAME=EDITS", help="another set of edits to stand beside them"
    )
    add_thinking(make)
    make.add_argument("--tokens", type=int, metavar="N", help="longest answer, in tokens (32); 0 writes none")
    make.add_argument("--seed", type=int, metavar="N", help="seed of the random controls (0)")
    make.add_argument("--answers", action="store_true", help="keep the texts of the answers in the card")
    make.add_argument("--waking", action="store_true", help="also count what wakes, and what later blocks put back")
    make.add_argument("--run", metavar="ID", help="a finished run of `hydrascope discover`, instead of prompts")
    make.add_argument("--out", required=True, nargs="+", type=Path, metavar="FILE", help=f"by its ending {_FORMS}")
    verify = actions.add_parser("verify", help="measure a card's numbers again, and say which agree")
    verify.add_argument("file", metavar="FILE", help="the HTML or JSON file of a card")
    verify.add_argument("--model", metavar="NAME", help="what the model is called here (default: as in the card)")
    form = verify.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print only one JSON object")
    form.add_argument("--markdown", action="store_true", help="print every value as a Markdown table")
    convert = actions.add_parser("convert", help="write a card in another form; nothing is measured")
    convert.add_argument("file", metavar="FILE", help="the HTML or JSON file of a card")
    convert.add_argument("--out", required=True, nargs="+", type=Path, metavar="FILE", help=f"by its ending {_FORMS}")


def run(options: argparse.Namespace) -> int:
    """Make, verify or convert. Raises InputError (CardError among them) and what `load` raises."""
    match options.action:
        case "make":
            return _make(options)
        case "verify":
            return _verify(options)
        case _:
            from core.card.read import read_card

            card = read_card(options.file)
            for out in options.out:
                check_out(out, options.file)
            _write(card, options.out)
            return ExitCode.DONE


def _make(options: argparse.Namespace) -> int:
    from core.engine import load

    _check_forms(options.out)
    for out in options.out:
        check_out(out)
    if options.run:
        only = ("ablate", "pin", "thinking", "tokens", "seed", "answers", "waking")
        refuse_unused(options, "with --run, whose card is of what the run has found", *only)
    if bool(options.prompts) == bool(options.run):
        raise InputError("Give one prompt or several, or a run with --run ID.")
    pins = [_pin(word) for word in options.pin]
    names = [name for name, _ in pins]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise InputError(f"--pin gives “{twice:.40}” twice. Give each set a name of its own.")
    with progress_bar() as progress:
        engine = load(options.model, progress=progress)
    engine = engine.with_thinking(True) if options.thinking else engine
    if options.run and isinstance(store := store_or_ending("The run cannot be read."), ExitCode):
        return store
    _write(_of_run(engine, options.run) if options.run else _of_prompts(engine, options, pins), options.out)
    return ExitCode.DONE


def _of_run(engine: Engine, run: str) -> Card:
    from cache.jobs.run_card import card_of_run
    from cache.store.database import shared_store
    from cache.store.runs import Runs

    with progress_bar() as progress:
        return card_of_run(Runs(shared_store()), run, engine, progress)


def _of_prompts(engine: Engine, options: argparse.Namespace, pins: Sequence[tuple[str, str]]) -> Card:
    from core.card.features import About
    from core.card.make import EDITED, Asked, make_card
    from core.edits.edits import Edits
    from core.edits.overridden import overridden_sentence
    from core.edits.typed import from_neuronpedia
    from core.labels.notes import read_labels
    from core.labels.origins import origins_of

    labels = read_labels(engine.spec.labels, origins_of(engine))
    if labels.left_out:
        note(labels.left_out)
    direction = engine.direction() if engine.has_direction else None
    written = ((EDITED, options.ablate or ""), *pins)
    words = [(name, from_neuronpedia(text, engine.spec.neuronpedia)) for name, text in written]
    states: tuple[tuple[str, Edits], ...] = tuple((name, Edits.from_text(text, direction)) for name, text in words)
    for name, edits in states:
        if idle := overridden_sentence(edits.items):
            note(f"{name}: {idle}")
    tokens = 32 if options.tokens is None else options.tokens
    asked = [Asked(prompt, tuple(one for one in states if one[1]), tokens, {}) for prompt in options.prompts]
    with progress_bar() as progress:
        return make_card(
            engine,
            asked,
            page="the command line",
            agreed=options.answers,
            about=About(labels),
            seed=options.seed or 0,
            waking=options.waking,
            progress=progress,
        )


def _pin(word: str) -> tuple[str, str]:
    name, equals, edits = word.partition("=")
    if not equals or not name.strip() or not edits.strip():
        raise InputError(f"“{word:.40}” is not a pinned set. Write NAME=EDITS, for example A=12-40,14-7.")
    return name.strip(), edits


def _check_forms(files: Sequence[Path]) -> None:
    """Before anything is measured. Raises InputError."""
    from core.card.files import check_ending

    for file in files:
        check_ending(file.suffix)


def _write(card: Card, files: Sequence[Path]) -> None:
    from core.card.files import write_card

    _check_forms(files)
    for file in files:
        write_card(card, file)
        print(f"{file} written")


def _verify(options: argparse.Namespace) -> int:
    from core.card.read import read_card
    from core.card.verify import verify
    from core.engine import load

    card = read_card(options.file)
    with progress_bar() as progress:
        engine = load(options.model or card.source.model, progress=progress)
    with progress_bar() as progress:
        found = verify(card, engine, progress)
    if options.json:
        print(json_text(_plain(found), ascii_only=False, indent=1))
    else:
        print(_markdown(found) if options.markdown else _lines(found))
    return ExitCode.REFUSED if found.foreign else ExitCode.DONE if found.whole else ExitCode.PARTLY


def _plain(found: Checked) -> dict[str, Any]:
    return {
        "result": found.sentence,
        "tolerance": found.tolerance._asdict(),
        "notes": list(found.notes),
        "not_compared": list(found.left),
        "checks": [one._asdict() for one in found.checks],
    }


def _lines(found: Checked) -> str:
    """The result, what is another here, and every value that does not agree."""
    lines = [found.sentence, *(() if found.foreign else found.notes)]
    if not found.foreign:
        lines += filter(None, (_tolerance(found), found.not_compared))
    for one in found.checks:
        if one.outcome == "differs":
            lines.append(f"differs: {one.where}, {one.what}: {one.card} in the card, {one.here} here ({one.within})")
        elif one.outcome == "not checked":
            lines.append(f"not checked: {one.where}, {one.what}: {one.card} in the card ({one.why})")
    return "\n".join(lines)


def _tolerance(found: Checked) -> str:
    within = found.tolerance
    return (
        f"Tolerance: ±{within.score:g} on a refusal score, ±{within.cosine:g} on a cosine, {within.share:.0%} of a KL, "
        f"a probability, an activation or a share put back (at least ±{within.least:g}); {within.why}."
    )


def _markdown(found: Checked) -> str:
    heads = ["where", "what", "card", "here", "within", "result"]
    rows = [
        [one.where, one.what, one.card, one.here or "–", one.within or "–", f"{one.outcome} {one.why}".strip()]
        for one in found.checks
    ]
    table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in [heads, ["---"] * 6, *rows]]
    said = [
        found.sentence,
        *(() if found.foreign else found.notes),
        "" if found.foreign else _tolerance(found),
        found.not_compared,
    ]
    return "\n\n".join([*filter(None, said), "\n".join(table) if rows else ""]).strip()
