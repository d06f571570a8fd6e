"""Options that several subcommands share. Knows: argparse. Does not know: what is done with a value."""

from __future__ import annotations

import argparse


def add_model(parser: argparse.ArgumentParser, purpose: str = "") -> None:
    """--model: a name that `core.load` takes. purpose: what it is used for, where that is not plain."""
    about = "a name that `hydrascope models` lists (demo)"
    parser.add_argument("--model", default="demo", metavar="NAME", help=f"{purpose}: {about}" if purpose else about)
