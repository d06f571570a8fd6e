"""From the words at the prompt to a subcommand, and from its end to an exit code.

Knows: the subcommands, and that a foreseen error is one sentence. Does not know: what a subcommand does.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import redirect_stdout
from types import ModuleType
from typing import NoReturn, TextIO, cast

import core
from core.commands import audit, card, discover, features, judge, labels, models, prepare, prompts, run, saes, study
from core.commands.exit_codes import ExitCode
from core.commands.given_once import Parser
from core.commands.terminal import note
from core.errors import HydrascopeError
from core.text.safe import SafeStream

#: In the order of the help: what people do first stands first.
SUBCOMMANDS: dict[str, ModuleType] = {
    "run": run,
    "audit": audit,
    "card": card,
    "discover": discover,
    "judge": judge,
    "study": study,
    "labels": labels,
    "features": features,
    "models": models,
    "saes": saes,
    "prompts": prompts,
    "prepare": prepare,
}


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = Parser(
        prog="hydrascope",
        description="Audit why an open-weight chat model refuses.",
        epilog=_endings(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"hydrascope {core.__version__}")
    commands = whole.add_subparsers(dest="command", required=True)
    for name, module in SUBCOMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=module.SUMMARY, description=_sentence(module.SUMMARY)))
    return whole


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command, of this process where none is given. Returns an exit code."""
    # Results hold names, labels and answers from anywhere, and help has more than ASCII; JSON stays the same JSON.
    safe = cast(TextIO, SafeStream(sys.stdout))
    with redirect_stdout(safe):
        options, rest = parser().parse_known_args(arguments)
    if rest and options.command != "run":  # what follows `run` is Streamlit's
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    try:
        with redirect_stdout(sys.stdout if options.command == "run" else safe):  # a server has its own colours
            code = int(SUBCOMMANDS[options.command].run(options))
        sys.stdout.flush()
        return code
    except HydrascopeError as error:
        note(str(error))
        return ExitCode.REFUSED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # `hydrascope models | head`: the reader has enough, so the last flush must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE


def program() -> NoReturn:
    """The command of this process, and its end."""
    code = main()
    if sys.argv[1:2] == ["run"]:
        run.end_server(code)
    sys.exit(code)


def _endings() -> str:
    return "exit codes:\n" + "\n".join(f"  {code.value:<3} {code.meaning}" for code in ExitCode)


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."
