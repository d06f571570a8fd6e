"""`python -m core …` is `hydrascope …`. Knows nothing: `core.commands` does everything."""

from core.commands.command_line import program

if __name__ == "__main__":
    program()
