"""Options that several subcommands share. Knows: argparse. Does not know: what is done with a value."""

from __future__ import annotations

import argparse

from core.errors import InputError
from core.judges.names import FIRST_TOKEN, USUAL, judge_names

#: The model where none is named.
DEMO = "demo"


def add_model(parser: argparse.ArgumentParser, purpose: str = "", default: str | None = DEMO) -> None:
    """--model: a name that `core.load` takes. purpose: what it is used for, where that is not plain. default: None
    where a command must know whether one was named, and takes `DEMO` itself."""
    about = f"a name listed by `hydrascope models` ({DEMO})"
    parser.add_argument("--model", default=default, metavar="NAME", help=f"{purpose}: {about}" if purpose else about)


def add_reference(parser: argparse.ArgumentParser) -> None:
    """--reference: a file of reference answers, for the recovery."""
    parser.add_argument(
        "--reference",
        metavar="FILE",
        help='reference answers for the recovery, JSONL: {"prompt": "…", "answer": "…"} on each line, and "nll", nats '
        "a token under the model that wrote it, where you know it (default: those shipped with the model)",
    )


def add_thinking(parser: argparse.ArgumentParser) -> None:
    """--thinking: let a model that can think before it answers do so."""
    parser.add_argument(
        "--thinking",
        action="store_true",
        help="let the model think before it answers, if it can (default: off, or HYDRASCOPE_THINKING)",
    )


def add_judge(parser: argparse.ArgumentParser) -> None:
    """--judge: a name that `core.judges.catalogue.find_judge` takes."""
    names = ", ".join(name for name in judge_names() if name != FIRST_TOKEN)
    parser.add_argument("--judge", metavar="NAME", help=f"what judges the answers: {names} (default: {USUAL})")


def refuse_empty(options: argparse.Namespace, *names: str) -> None:
    """Raises InputError for an option that was given without a word in it, as a script with an unset variable does: it
    would count as left out. names: as in `options`."""
    for name in names:
        value = getattr(options, name)
        if isinstance(value, str) and not value.strip():
            raise InputError(f"--{name.replace('_', '-')} is empty. Give a value, or leave it out.")


def refuse_unused(options: argparse.Namespace, why: str, *names: str) -> None:
    """Raises InputError for an option that was given although it does nothing. names: as in `options`, each with
    nothing for a default. why: when it does nothing, the end of a sentence."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value is not False and value != []:
            raise InputError(f"--{name.replace('_', '-')} does nothing {why}. Leave it out.")
