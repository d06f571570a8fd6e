"""What the scripts of this folder share: rows kept as they are measured, and the prompts they are measured on.

Knows: JSON lines, prompt files. Does not know: what a row holds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # its scripts are run as such, and stand on core

from core import Edits, Engine  # noqa: E402
from core.answers.judge import Judge  # noqa: E402
from core.answers.rule_judges import verdicts_of  # noqa: E402
from core.prompts.files import read_file  # noqa: E402
from core.prompts.shipped import held_out_file  # noqa: E402

Row = dict[str, Any]
#: Prompts answered together while refused ones are looked for.
_TOGETHER = 16


class Rows:
    """Rows already measured, by phase and prompt; kept as JSON lines where there is a file."""

    def __init__(self, path: Path | None, settings: Row) -> None:
        self._path, self._known = path, dict[tuple[str, str], Row]()
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path and path.exists() else []
        if lines and lines[0] != settings:
            raise SystemExit(f"{path} was measured with other settings: {lines[0]}. Give another --out.")
        if not lines:
            self._write(settings)
        self._known = {(one["phase"], one["prompt"]): one for one in lines[1:]}

    def of(self, phase: str, prompts: Sequence[str], measure: Callable[[str], Row]) -> list[Row]:
        """The row of each prompt, measured where there is none yet."""
        for done, prompt in enumerate(prompts, start=1):
            if (phase, prompt) not in self._known:
                self._known[phase, prompt] = {"phase": phase, "prompt": prompt} | measure(prompt)
                self._write(self._known[phase, prompt])
                print(f"{time.strftime('%H:%M:%S')} {phase} {done} of {len(prompts)}", file=sys.stderr, flush=True)
        return [self._known[phase, prompt] for prompt in prompts]

    def _write(self, row: Row) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def texts(path: Path | None, engine: Engine, kind: str) -> Iterator[str]:
    """The prompts of a file, or the model's own held-out ones, each once."""
    several = read_file(path).prompts() if path else held_out_file(engine.spec.prompts, engine.spec.name, kind)
    yield from dict.fromkeys(several)


def refused_answers(engine: Engine, prompts: Sequence[str], most: int, tokens: int, judge: Judge) -> list[str]:
    """The first `most` prompts that the unedited model refuses."""
    found: list[str] = []
    for start in range(0, len(prompts), _TOGETHER):
        some = prompts[start : start + _TOGETHER]
        verdicts = verdicts_of(judge, some, [answer for (answer,) in engine.answers(some, [Edits()], tokens)])
        found += [text for text, verdict in zip(some, verdicts, strict=True) if verdict == "refused"]
        if len(found) >= most:
            break
    return found[:most]
