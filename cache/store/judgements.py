"""Judgements in the store, each by one revision of a judge on one answer, so that nothing is judged twice.

Knows: the table `judgements`, hashes. Does not know: how anything is judged, or pages. Every chunk is on disk before
the next is judged. An answer's text is kept only where the person asked for it; its hash is enough to find it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from cache.store.database import Store, now
from cache.store.pairs import Pair
from core.answers.judge import HARMS, Judge, Judgement, check_pairs, ended_of
from core.answers.verdicts import VERDICTS
from core.errors import Cancelled, InputError
from core.progress import NEVER

#: Answers judged between two writes, at most.
CHUNK = 64
#: And in the first chunk, where chunks are to take a time and not a number.
FIRST = 4
_COLUMNS = "verdict, harmful, raw, score, categories, reason, looping, delayed"
_WIDTH = len(_COLUMNS.split(", "))


class Stored(NamedTuple):
    """One judge's judgements of some answers: one entry an answer, in order, None where it has not judged it."""

    judge: str
    revision: str
    judgements: tuple[Judgement | None, ...]

    @property
    def known(self) -> tuple[Judgement, ...]:
        """Those that are there."""
        return tuple(one for one in self.judgements if one is not None)


class Named(Protocol):
    """Whose judgements are meant: a judge, or many workers that have the same one. name and revision: its own."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...


class Judges(Named, Protocol):
    """Many workers with one judge (`core.scale.judging`)."""

    def __call__(
        self, groups: Sequence[Sequence[Pair]], checkpoint: Callable[[], None]
    ) -> Iterator[Sequence[Judgement]]:
        """The judgements of every group, in the groups' order, as soon as they are there."""
        ...


class Both(NamedTuple):
    """Two judges' judgements of the answers that both have judged, in one order, and the judges' revisions."""

    first: tuple[Judgement, ...]
    second: tuple[Judgement, ...]
    revisions: tuple[str, str]
    prompts: tuple[str, ...]
    answers: tuple[str | None, ...]  # None where no text was kept


class Judgements:
    """All judgements in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def judge(
        self,
        judge: Judge,
        prompts: Sequence[str],
        answers: Sequence[str],
        keep_answers: bool = False,
        progress: Callable[[int, int], None] = lambda done, of: None,
        cancelled: Callable[[], bool] = NEVER,
        seconds: float | None = None,
    ) -> tuple[Judgement, ...]:
        """A judgement for each answer, in order; only those not known yet are judged, each pair once.

        keep_answers: store the answers' texts as well; of answers known without their text, it is added.
        progress(done, of) counts answers to be judged; cancelled is asked between two writes. seconds: chunks between
        writes are chosen to take about so long. Raises what the judge raises, and
        Cancelled; what was judged until then is kept.
        """
        return self._judged(
            judge, prompts, answers, keep_answers, progress, lambda todo: _chunks(judge, todo, cancelled, seconds)
        )

    def judge_by(
        self,
        judges: Judges,
        prompts: Sequence[str],
        answers: Sequence[str],
        keep_answers: bool = False,
        progress: Callable[[int, int], None] = lambda done, of: None,
        cancelled: Callable[[], bool] = NEVER,
    ) -> tuple[Judgement, ...]:
        """As `judge` without `seconds`, by many workers: in the same chunks, which are written in the same order."""

        def parts(todo: Sequence[Pair]) -> Iterator[tuple[Sequence[Pair], Sequence[Judgement]]]:
            groups = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
            return zip(groups, judges(groups, lambda: _go_on(cancelled)), strict=True)

        return self._judged(judges, prompts, answers, keep_answers, progress, parts)

    def _judged(
        self,
        judge: Named,
        prompts: Sequence[str],
        answers: Sequence[str],
        keep_answers: bool,
        progress: Callable[[int, int], None],
        parts: Callable[[Sequence[Pair]], Iterable[tuple[Sequence[Pair], Sequence[Judgement]]]],
    ) -> tuple[Judgement, ...]:
        """parts: makes of the answers to be judged some of them after others, each with its judgements."""
        check_pairs(prompts, answers)
        pairs = [Pair(*pair) for pair in zip(prompts, answers, strict=True)]
        for pair in pairs:
            _check_text(pair)
        known, kept = self._known(judge, pairs)
        each = {pair.key: pair for pair in pairs}
        todo = [pair for key, pair in each.items() if key not in known]
        if keep_answers:
            without = [pair for key, pair in each.items() if key in known and key not in kept]
            self._add(judge, without, [known[pair.key] for pair in without], keep_answers)
        done = 0
        progress(done, len(todo))
        for part, judged in parts(todo):
            self._add(judge, part, judged, keep_answers)
            known |= {pair.key: one for pair, one in zip(part, judged, strict=True)}
            done += len(part)
            progress(done, len(todo))
        return tuple(known[pair.key] for pair in pairs)

    def missing(self, judge: Named, prompts: Sequence[str], answers: Sequence[str]) -> int:
        """How many answers `judge` would be asked for."""
        pairs = [Pair(*pair) for pair in zip(prompts, answers, strict=True)]
        known, _ = self._known(judge, pairs)
        return len({pair.key for pair in pairs} - set(known))

    def stored(self, pairs: Sequence[Pair]) -> tuple[Stored, ...]:
        """Each judge's judgements of these answers, under the revision it last judged any of them with. No judge is
        asked, and no hub; judges in order of name. Of a text of which nobody knows how it ended, judgements of the same
        text count that was cut off or ended."""
        query = f"""
            select judge, revision, prompt_hash, answer_hash, {_COLUMNS} from judgements
            where answer_hash in (select unnest(?::varchar[])) order by rowid
        """
        keys, wanted = [pair.key for pair in pairs], dict[tuple[str, str], set[tuple[str, str]]]()
        for pair in pairs:
            for key in pair.keys:
                wanted.setdefault(key, set()).add(pair.key)
        found, last = dict[str, dict[str, dict[tuple[str, str], Judgement]]](), dict[str, str]()
        for judge, revision, prompt, answer, *facts in self.store.rows(query, [sorted({key[1] for key in wanted})]):
            for own in wanted.get((prompt, answer), ()):
                here = found.setdefault(judge, {}).setdefault(revision, {})
                if own == (prompt, answer) or own not in here:
                    here[own] = _judgement(facts)
                last[judge] = revision
        return tuple(
            Stored(judge, last[judge], tuple(found[judge][last[judge]].get(key) for key in keys))
            for judge in sorted(found)
        )

    def judges(self) -> tuple[str, ...]:
        """Every judge that has judged anything here, by name."""
        return tuple(name for (name,) in self.store.rows("select distinct judge from judgements order by 1"))

    def both(self, first: str, second: str) -> Both:
        """The answers that both judges have judged, each judge under the revision it was last used in.

        Raises InputError where there are none.
        """
        revisions = self._last_revision(first), self._last_revision(second)
        columns = ", ".join(f"{side}.{name}" for side in "ab" for name in _COLUMNS.split(", "))
        query = f"""
            select {columns}, a.prompt, coalesce(a.answer, b.answer)
            from latest_judgements a join latest_judgements b using (prompt_hash, answer_hash)
            where a.judge = ? and a.revision = ? and b.judge = ? and b.revision = ?
            order by prompt_hash, answer_hash
        """
        rows = self.store.rows(query, [first, revisions[0], second, revisions[1]])
        if not rows:
            raise InputError(
                f"No stored answer was judged by both {first} and {second}. Judge the same file with both."
            )
        sides = [tuple(_judgement(row[start : start + _WIDTH]) for row in rows) for start in (0, _WIDTH)]
        return Both(sides[0], sides[1], revisions, tuple(row[-2] for row in rows), tuple(row[-1] for row in rows))

    def _last_revision(self, judge: str) -> str:
        query = "select revision from judgements where judge = ? order by rowid desc limit 1"
        rows = self.store.rows(query, [judge])
        if not rows:
            known = ", ".join(self.judges()) or "no judge yet"
            raise InputError(f"The store has no judgements by “{judge:.40}”; it has judgements by: {known}.")
        return str(rows[0][0])

    def _known(
        self, judge: Named, pairs: Sequence[Pair]
    ) -> tuple[dict[tuple[str, str], Judgement], set[tuple[str, str]]]:
        """What is stored of `pairs`, and of which of them the answer's text is stored too."""
        query = f"""
            select prompt_hash, answer_hash, answer is not null, {_COLUMNS} from latest_judgements
            where judge = ? and revision = ? and answer_hash in (select unnest(?::varchar[]))
        """
        wanted = sorted({pair.key[1] for pair in pairs})
        rows = self.store.rows(query, [judge.name, judge.revision, wanted]) if pairs else []
        known = {(str(prompt), str(answer)): _judgement(facts) for prompt, answer, _, *facts in rows}
        return known, {(str(prompt), str(answer)) for prompt, answer, kept, *_ in rows if kept}

    def _add(self, judge: Named, pairs: Sequence[Pair], judged: Sequence[Judgement], keep_answers: bool) -> None:
        made = now()
        rows = [
            (
                made,
                judge.name,
                judge.revision,
                pair.key[0],
                pair.prompt,
                pair.key[1],
                pair.answer if keep_answers else None,
                one.verdict,
                one.harmful,
                one.raw,
                one.score,
                ",".join(one.categories),
                one.reason,
                one.looping,
                one.delayed,
            )
            for pair, one in zip(pairs, judged, strict=True)
        ]
        self.store.insert("judgements", rows)


def _chunks(
    judge: Judge, todo: Sequence[Pair], cancelled: Callable[[], bool], seconds: float | None
) -> Iterator[tuple[Sequence[Pair], Sequence[Judgement]]]:
    """Answers as this process judges them, each chunk when it is asked for. seconds: as of `Judgements.judge`."""
    start, size = 0, CHUNK if seconds is None else FIRST
    while start < len(todo):
        _go_on(cancelled)
        part, began = todo[start : start + size], time.monotonic()
        answers = [pair.answer for pair in part]
        yield part, judge.judge([pair.prompt for pair in part], answers, ended_of(answers))
        start += len(part)
        if seconds is not None:  # with the time that the write took
            fitting = int(size * seconds / max(time.monotonic() - began, 1e-6))
            size = max(1, min(fitting, 2 * size, CHUNK))


def _go_on(cancelled: Callable[[], bool]) -> None:
    """Raises Cancelled where somebody asked to stop."""
    if cancelled():
        raise Cancelled("Judging was stopped. Finished judgements are kept, and the next try continues from there.")


def _judgement(facts: Sequence[Any]) -> Judgement:
    """From the values of `_COLUMNS`."""
    verdict, harmful, raw, score, categories, reason, looping, delayed = facts
    return Judgement(
        next((kind for kind in VERDICTS if kind == verdict), None),
        next((kind for kind in HARMS if kind == harmful), None),
        str(raw),
        None if score is None else float(score),
        tuple(filter(None, str(categories).split(","))),
        str(reason),
        bool(looping),
        bool(delayed),
    )


def _check_text(pair: Pair) -> None:
    """Raises InputError for text that no tokenizer and no store can take."""
    try:
        "".join(pair).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"The answer to “{ascii(pair.prompt)[1:40]}” contains half a character (a lone surrogate). Correct the "
            "file."
        ) from None
