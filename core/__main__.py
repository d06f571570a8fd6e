"""`python -m core …` is `hydrascope …`. Knows nothing: `core.commands` does everything."""

import sys

from core.commands.command_line import main

if __name__ == "__main__":
    sys.exit(main())
