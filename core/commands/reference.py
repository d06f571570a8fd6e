"""docs/cli.md, made from the parsers: `python -m core.commands.reference` prints it.

Knows: Markdown. Does not know: what a subcommand does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO

from core.commands.command_line import SUBCOMMANDS, parser
from core.commands.exit_codes import ExitCode

_ACTIONS = (
    *(("card", action) for action in ("make", "verify", "convert")),
    *(("models", action) for action in ("add", "needs", "remove")),
    *(("saes", action) for action in ("train", "cards", "shrink")),
    *(("study", action) for action in ("features", "answers", "list", "results")),
)
_WIDTH = "100"


def documentation() -> str:
    """docs/cli.md."""
    parts = [
        """# The command line
This file is generated: change `core/commands/`, then run `make docs`.

`pip install .` installs the command `hydrascope`. In a checkout without an installation, use `python -m core` instead.
Results go to the standard output, everything else to the standard error.""",
        "| Exit code | Meaning |\n| --- | --- |\n"
        + "\n".join(f"| {code.value} | {code.meaning[0].upper()}{code.meaning[1:]}. |" for code in ExitCode),
    ]
    for name, module in SUBCOMMANDS.items():
        parts.append(f"## hydrascope {name}\n    {module.EXAMPLE}\n\n{_block(_help(name))}")
        parts += [_block(_help(*words)) for words in _ACTIONS if words[0] == name]
    return "\n\n".join(parts) + "\n"


def _block(text: str) -> str:
    return f"```text\n{text}\n```"


def _help(*words: str) -> str:
    with _terminal_of(_WIDTH), redirect_stdout(StringIO()) as printed, suppress(SystemExit):
        parser().parse_args([*words, "--help"])
    return printed.getvalue().strip()


@contextmanager
def _terminal_of(columns: str) -> Iterator[None]:
    """Help as wide as the document, however wide the terminal is."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = columns
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


if __name__ == "__main__":
    print(documentation(), end="")
