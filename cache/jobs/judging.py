"""Judging answers as a job: one judge after another, each unloaded before the next is loaded.

Knows: how a judge is made, whether it fits before it loads. Does not know: pages, or how anything is judged. What is
judged is in the store before the next answers are judged; a job that was stopped, failed, or died with its process is
submitted again, and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple, Protocol

from cache.jobs.forward_size import background_tokens
from cache.jobs.queue import Control, Job, Queue
from cache.store.judgements import Judgements
from cache.store.pairs import Pair
from core.answers.judge import Judge
from core.errors import Cancelled, HydrascopeError, InputError
from core.forward.token_budget import at_most
from core.progress import Progress

#: Seconds between two writes, and so between a click on Stop and the stop, where one answer takes less.
SECONDS = 5.0


class Maker(Protocol):
    """Makes a judge, loading what it must: progress(message, share), cancelled()."""

    def __call__(self, progress: Progress, cancelled: Callable[[], bool]) -> Judge: ...


class NamedMaker(NamedTuple):
    """One judge's name, how it is made, and whether it loads a model, for which the device must be free."""

    name: str
    make: Maker
    loads: bool = True


class JudgingError(HydrascopeError):
    """One judge of several could not do its work; the sentence opens with its name."""


def start(
    queue: Queue,
    key: str,
    title: str,
    pairs: Sequence[Pair],
    judges: Sequence[NamedMaker],
    store: Judgements,
    keep_answers: bool = False,
) -> Job:
    """Judge these answers by each judge: at once where none loads a model, else as soon as the device is free.

    key: which answers they are; the same answers are not judged by two jobs at once. keep_answers: store the answers'
    texts too.
    """
    asked, answers = tuple(judges), tuple(pairs)

    def work(control: Control) -> None:
        with at_most(background_tokens()):
            for number, one in enumerate(asked):
                which = f"{number + 1} of {len(asked)}, {one.name}" if len(asked) > 1 else one.name
                _judge(control, one, which, answers, store, keep_answers)

    return queue.submit("judging", key, title, work, uses_device=any(one.loads for one in asked))


def _judge(
    control: Control, one: NamedMaker, which: str, pairs: Sequence[Pair], store: Judgements, keep_answers: bool
) -> None:
    """One judge's part. Its model is unloaded at the end, whatever happens. which: opens each message."""
    prompts, answers = [pair.prompt for pair in pairs], [pair.answer for pair in pairs]

    def report(message: str, share: float) -> None:
        control.report(f"{which}: {message}", share)

    def count(done: int, of: int) -> None:
        report(f"{done:,} of {of:,} judged", done / of if of else 1.0)

    report("starting", 0.0)
    try:
        with closing(one.make(report, control.stop_requested)) as judge:
            if store.missing(judge, prompts, answers) and not (found := judge.footprint()).fits:
                raise InputError(found.verdict)
            store.judge(judge, prompts, answers, keep_answers, count, control.stop_requested, SECONDS)
    except Cancelled:
        raise
    except HydrascopeError as error:
        raise JudgingError(f"{one.name}: {error}") from error
