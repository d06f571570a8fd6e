"""What every subcommand prints with: bars, tables, and sentences beside the result.

Knows: whether somebody watches. A bar is drawn in a terminal only; in a log there are plain lines. Results go to the
standard output, everything else to the standard error, so that a result can be piped. Does not know: what is printed.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

from core.progress import Progress
from core.text.safe import safe_text, shown_in

if TYPE_CHECKING:
    from core.discovery.runner import RunProgress


def note(sentence: str) -> None:
    """A sentence beside the result."""
    print(shown_in(safe_text(sentence), sys.stderr.encoding), file=sys.stderr, flush=True)


def table(rows: Sequence[Sequence[str]]) -> None:
    """Rows with their columns aligned, the heading first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """One bar for one piece of work; nothing in a log, where the sentences at the end are enough."""
    layout = "{percentage:3.0f}% |{bar:24}| {desc} [{elapsed}]"
    with tqdm(total=100, disable=not sys.stderr.isatty(), bar_format=layout) as bar:

        def show(message: str, share: float) -> None:
            bar.set_description_str(safe_text(message), refresh=False)
            bar.update(100 * min(share, 1.0) - bar.n)

        yield show


@contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """cancelled() for work that stops between two steps: true after Ctrl-C. A second Ctrl-C is a KeyboardInterrupt."""
    asked = threading.Event()

    def stop(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        note("\nStopping after this step. Press Ctrl-C again to stop at once.")

    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread alone
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def run_progress() -> Iterator[Callable[[RunProgress], None]]:
    """How a run of the search stands: a bar a stage in a terminal, a line every tenth of a stage in a log."""
    shown = _StageBars() if sys.stderr.isatty() else _StageLines()
    try:
        yield shown
    finally:
        shown.close()


class _StageLines:
    def __init__(self) -> None:
        self._last: tuple[str, int] | None = None

    def __call__(self, now: RunProgress) -> None:
        tenth = 10 * now.done // now.of if now.of else 10
        if self._last != (now.step, tenth):
            self._last = (now.step, tenth)
            left = f", {now.left:.0f} s left in this stage" if now.left else ""
            note(f"{now.title}: {now.done} of {now.of}{left}")

    def close(self) -> None:
        """Nothing to put away."""


class _StageBars:
    def __init__(self) -> None:
        self._step = ""
        self._bar: tqdm | None = None

    def __call__(self, now: RunProgress) -> None:
        if self._bar is None or self._step != now.step:
            self.close()
            self._step, self._bar = now.step, tqdm(total=now.of, desc=now.title, initial=now.done)
        self._bar.update(now.done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it stands and begin a new line."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None
