"""Options that several subcommands share. Knows: argparse. Does not know: what is done with a value."""

from __future__ import annotations

import argparse


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
