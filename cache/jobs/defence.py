"""Evaluations of a clamp as jobs: cell by cell, each kept before the next begins.

Knows: evaluations in the store. Does not know: pages, or how a cell is computed. One that was stopped, or died with its
process, is started again and goes on with the cells that are left.
"""

from __future__ import annotations

from cache.jobs.forward_size import background_tokens
from cache.jobs.queue import Control, Job, Queue
from cache.store.defences import Defences
from core import Engine
from core.defence import clamp_name
from core.errors import Cancelled
from core.forward.token_budget import at_most

STOPPED = "Stopped. The cells that are done are kept, and the evaluation can go on from there."


def start(queue: Queue, defences: Defences, identifier: str, engine: Engine) -> Job:
    """Do what is left of an evaluation, as soon as the device is free. Raises InputError for one that is not stored."""
    asked = defences.get(identifier).asked

    def work(control: Control) -> None:
        cells = defences.carry_out(engine, identifier)
        with at_most(background_tokens()):
            while left := [place for place in asked.places if place not in defences.found(identifier)]:
                number, group = left[0]
                done = len(asked.places) - len(left)
                control.report(f"{clamp_name(asked.values[number])}, {group}", done / len(asked.places))
                if control.stop_requested():
                    raise Cancelled(STOPPED)
                if next(cells, None) is None:
                    return

    return queue.submit("defence", identifier, asked.attack, work)


def job_of(queue: Queue, identifier: str) -> Job | None:
    """The last job of an evaluation in this process, or None."""
    return queue.latest("defence", identifier)
