"""`hydrascope prepare`: everything a model needs, fetched and converted now. Knows nothing of how that is done."""

from __future__ import annotations

import argparse

from core.commands.exit_codes import ExitCode
from core.commands.options import add_model
from core.commands.terminal import progress_bar

SUMMARY = "fetch and convert what a model needs, so that the first start is quick"
EXAMPLE = "hydrascope prepare --model gemma-2-2b-it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)


def run(options: argparse.Namespace) -> int:
    """Load the model once. Raises UnknownModelError, DownloadError, AssetError, InputError."""
    from core.engine import load

    with progress_bar() as progress:
        engine = load(options.model, progress=progress)
    print(f"{engine.spec.name} is ready ({engine.placement}).")
    return ExitCode.DONE
