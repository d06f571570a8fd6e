"""What the long tests found, a line each, and the table that `make soak` ends with.

Knows: one file beside these tests. Does not know: what is tested. `python -m tests.adversity.report` prints the table.
"""

from __future__ import annotations

import platform
import time
from pathlib import Path

from core.text.json_text import json_text, json_value

FILE = Path(__file__).parent / "out" / "soak.jsonl"


def note(what: str, tried: str, failed: int, seconds: float, **figures: object) -> None:
    """Add a line: what was tried, how often, how many failed, in how many seconds, and what else was measured."""
    FILE.parent.mkdir(exist_ok=True)
    row = {"when": time.strftime("%Y-%m-%d %H:%M"), "what": what, "tried": tried, "failed": failed}
    row |= {"seconds": round(seconds), "figures": "; ".join(f"{name} {value}" for name, value in figures.items())}
    with FILE.open("a", encoding="utf-8") as file:
        file.write(json_text(row, ascii_only=False) + "\n")


def table() -> str:
    """Markdown, the latest line of each thing that was tried."""
    try:
        rows = [json_value(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "Nothing was tried yet. Run `make soak`."
    latest = {row["what"]: row for row in rows}
    heading = f"On {platform.machine()}, Python {platform.python_version()}:"
    lines = [heading, "", "| What | Tried | Failed | Seconds | Measured beside it |", "| --- | --- | --- | --- | --- |"]
    names = ("what", "tried", "failed", "seconds", "figures")
    lines += [f"| {' | '.join(str(row[name]) for name in names)} |" for row in latest.values()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
