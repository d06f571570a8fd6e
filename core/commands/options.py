"""Options that several subcommands share. Knows: argparse. Does not know: what is done with a value."""

from __future__ import annotations

import argparse

from core.errors import InputError
from core.judges.names import FIRST_TOKEN, USUAL, judge_names


def add_model(parser: argparse.ArgumentParser, purpose: str = "") -> None:
    """--model: a name that `core.load` takes. purpose: what it is used for, where that is not plain."""
    about = "a name listed by `hydrascope models` (demo)"
    parser.add_argument("--model", default="demo", metavar="NAME", help=f"{purpose}: {about}" if purpose else about)


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


def refuse_unused(options: argparse.Namespace, why: str, *names: str) -> None:
    """Raises InputError for an option that was given although it does nothing. names: as in `options`, each with
    nothing for a default. why: when it does nothing, the end of a sentence."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value is not False and value != []:
            raise InputError(f"--{name.replace('_', '-')} does nothing {why}. Leave it out.")
