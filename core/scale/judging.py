"""Judging stored answers on workers of a Ray cluster: each holds the judge and its model, and judges groups of answers.

Knows: what a worker is told of a judge, and what must be the same on all of them. Does not know: the store, where
answers come from, or which worker has which group (`crew.py`, `pool.py`). Only the driver writes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from core.answers.judge import Judge, Judgement, ended_of
from core.discovery.groups import Checkpoint
from core.judges.names import NEED_ENGINE, NEED_NOTHING
from core.scale.cluster import Size
from core.scale.crew import Crew, Task, pool_for
from core.scale.facts import first_difference
from core.versions import versions

if TYPE_CHECKING:
    from core.scale.pool import Pool

_ADVICE = "Give each worker more memory; what was judged so far is kept."
_TITLES = {
    "revision": "another revision of the judge",
    "number_format": "another number format",
    "device": "another kind of device",
    "versions": "other versions",
}


class JudgeIdentity(NamedTuple):
    """What must be the same on every worker, all text. number_format and device: empty for a judge without a model."""

    revision: str
    number_format: str
    device: str
    versions: str

    def difference(self, other: JudgeIdentity) -> str:
        """The first fact in which `other` is another, for the end of a sentence; empty where there is none."""
        return first_difference(self._asdict(), other._asdict(), _TITLES)


class JudgingJob(NamedTuple):
    """A judge, as a worker is told of it. model: of the registry, for judges that ask one. folder: with the judge's
    model, on the worker's machine. device: as `core.load` takes it."""

    judge: str
    model: str
    folder: Path | None = None
    device: str | None = None

    @property
    def loads(self) -> str:
        return self.judge

    @property
    def on_gpu(self) -> bool:
        return self.judge not in NEED_NOTHING and self.device != "cpu"

    def begin(self) -> JudgingHand:
        """Raises what `load`, `find_judge` and the judge's own `load` raise."""
        from core.engine import load
        from core.judges.catalogue import find_judge

        engine = load(self.model, self.device) if self.judge in NEED_ENGINE else None
        return JudgingHand(find_judge(self.judge, self.folder, self.device, engine=engine))


class JudgingHand:
    """A worker's judge, loaded."""

    def __init__(self, judge: Judge) -> None:
        number_format, device = judge.load()
        self._judge = judge
        self.identity = JudgeIdentity(judge.revision, number_format, device, _versions())

    def do(self, prompts: Sequence[str], answers: Sequence[str]) -> tuple[Judgement, ...]:
        """Raises what the judge raises."""
        return self._judge.judge(prompts, answers, ended_of(answers))


class RayJudges(Crew):
    """One judge on many workers, as `cache.store.judgements` takes it. name: of the judge."""

    def __init__(self, pool: Pool, name: str) -> None:
        super().__init__(pool, _ADVICE)
        self.name = name

    @cached_property
    def revision(self) -> str:
        """The judge's, as the first worker that has loaded it says; waits for it. Raises ClusterError."""
        found: JudgeIdentity = self.first().identity
        return found.revision

    def __call__(
        self, groups: Sequence[Sequence[tuple[str, str]]], checkpoint: Checkpoint
    ) -> Generator[tuple[Judgement, ...], None, None]:
        """The judgements of every group of prompts and answers, in order. Raises what `Crew.in_order` raises, and
        InputError where an answer cannot be judged."""
        tasks = [
            Task(
                f"Group {number} of the answers that “{self.name}” judges",
                ([prompt for prompt, _ in group], [answer for _, answer in group]),
            )
            for number, group in enumerate(groups)
        ]
        return self.in_order(tasks, checkpoint)


@contextmanager
def ray_judges(job: JudgingJob, address: str, size: Size, revision: str | None = None) -> Iterator[RayJudges]:
    """Workers with one judge, ended with it. revision: that all must have; the first worker's where it is None. Raises
    what `connected` raises, and ClusterError where a worker cannot load the judge."""

    def difference(first: JudgeIdentity, other: JudgeIdentity) -> str:
        """Number format and device are the first worker's."""
        return first._replace(revision=revision or first.revision, versions=_versions()).difference(other)

    with pool_for(job, address, size, difference) as pool:
        yield RayJudges(pool, job.judge)


def _versions() -> str:
    return ", ".join(f"{name} {version}" for name, version in versions().items())
