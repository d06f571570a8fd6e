"""The command line: `hydrascope …`, and the same as `python -m core …`.

One file a subcommand, each with SUMMARY, EXAMPLE, `add_arguments` and `run`; `command_line` finds them, `terminal` is
what they print with, `reference` makes docs/cli.md. Like `app.py` they stand at the end of the line: this folder alone
in core may import cache. A subcommand imports what is heavy when it runs, so that help is quick.
Knows: arguments, plain output, exit codes. Does not know: pages, or how anything is measured.
Public: `command_line.main`, `exit_codes.ExitCode`.
"""
