"""Greedy answers under edits, streamed for one prompt or batched for many.

Knows: stop tokens, how rows share a prefix, turning ids into text as they come. Does not know: passes, verdicts, pages.
Edits act on the prompt and on every generated token alike; generated tokens are in positions "all" and "generated".
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from typing import Any, NamedTuple

from core.answers.answer import Answer
from core.edits.edits import Edits
from core.forward.batches import prefix_pass, shared_prefix
from core.forward.growing import Growing
from core.forward.key_values import select
from core.forward.plan import Plan
from core.forward.runtime import Runtime
from core.forward.token_budget import answers_together, tokens_per_forward
from core.prompts.template import Prompt


class _End:
    """How one answer ended: whether the model stopped by itself, None until it is known."""

    by_itself: bool | None = None


class Pieces(Generator[str, None, None]):
    """Text pieces of one greedy answer. Nothing is held between pieces: it may be dropped at any time."""

    def __init__(self, runtime: Runtime, prompt: Prompt, edits: Edits, max_new_tokens: int) -> None:
        self._end = _End()  # apart, so that a dropped answer is no circle of references and is gone at once
        self._pieces = _stream(self._end, runtime, prompt, edits, max_new_tokens)

    @property
    def ended(self) -> bool | None:
        """Whether the model stopped by itself; None until it is known."""
        return self._end.by_itself

    def send(self, value: None) -> str:
        """The next piece, as of any generator."""
        return self._pieces.send(value)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> str:
        """Raise inside it, as of any generator."""
        return self._pieces.throw(typ) if val is None and tb is None else self._pieces.throw(typ, val, tb)


def stream(runtime: Runtime, prompt: Prompt, edits: Edits, max_new_tokens: int) -> Pieces:
    """Text pieces of the greedy answer, as they are asked for."""
    return Pieces(runtime, prompt, edits, max_new_tokens)


def _stream(
    end: _End, runtime: Runtime, prompt: Prompt, edits: Edits, max_new_tokens: int
) -> Generator[str, None, None]:
    ids: list[int] = []
    shown = ""
    for token in token_stream(runtime, prompt, edits, max_new_tokens):
        ids.append(token)
        text = decode_answer(runtime, ids)
        if not text.endswith("\ufffd") and len(text) > len(shown):  # wait for the rest of a split character
            yield text[len(shown) :]
            shown = text
    end.by_itself = len(ids) < min(max_new_tokens, runtime.room(prompt))
    text = decode_answer(runtime, ids)
    if len(text) > len(shown):
        yield text[len(shown) :]


def token_stream(runtime: Runtime, prompt: Prompt, edits: Edits, max_new_tokens: int) -> Iterator[int]:
    growing = Growing(runtime, runtime.plan([edits]), [(prompt, 0)])
    for _ in range(min(max_new_tokens, runtime.room(prompt))):
        (token,) = growing.step()
        if token in runtime.stop_ids:
            return
        yield token
        growing.append([token], [0])


def answers(
    runtime: Runtime, prompts: Sequence[Prompt], edits: Sequence[Edits], max_new_tokens: int
) -> list[list[Answer]]:
    """Greedy answers [prompt][edit set], batched; equal to `stream` one at a time."""
    texts = [[Answer("") for _ in edits] for _ in prompts]
    for row in answer_rows(runtime, prompts, edits, max_new_tokens):
        if row.done:
            texts[row.prompt][row.edit] = Answer(decode_answer(runtime, row.ids), row.ended)
    return texts


def answers_of(
    runtime: Runtime, prompts: Sequence[Prompt], edits: Sequence[Edits], max_new_tokens: int
) -> list[Answer]:
    """The greedy answer to each prompt under the edit set in the same place of the other list, batched.

    Equal to `answers`, which takes every prompt under every set. Of sets that are equal one is planned.
    """
    distinct = list(dict.fromkeys(edits))
    runtime.check(distinct)
    number = {one: place for place, one in enumerate(distinct)}
    pairs = [(place, number[one]) for place, one in enumerate(edits)]
    found = {
        (row.prompt, row.edit): Answer(decode_answer(runtime, row.ids), row.ended)
        for row in answer_rows(runtime, prompts, distinct, max_new_tokens, pairs)
        if row.done
    }
    return [found[pair] for pair in pairs]


def answers_at(
    runtime: Runtime, prompts: Sequence[Prompt], edits: Sequence[Edits], lengths: Sequence[int]
) -> list[list[tuple[Answer, ...]]]:
    """[prompt][edit set] → the greedy answer cut at each of `lengths`: each is what `answers` gives for that length.

    Generated once, at the longest; a greedy answer begins as the shorter one.
    """
    found: list[list[tuple[Answer, ...]]] = [[() for _ in edits] for _ in prompts]
    for row in answer_rows(runtime, prompts, edits, max(lengths)):
        if row.done:
            room = runtime.room(prompts[row.prompt])
            found[row.prompt][row.edit] = tuple(
                Answer(decode_answer(runtime, row.ids[:length]), len(row.ids) < min(length, room)) for length in lengths
            )
    return found


def streams(
    runtime: Runtime, prompts: Sequence[Prompt], edits: Sequence[Edits], max_new_tokens: int
) -> Iterator[tuple[int, int, Answer]]:
    """`answers` as they come: (prompt, edit set, text so far), whenever a text has grown, and at least once each.

    The last text of each is its answer. Until then a character that is not whole yet is held back. The prefix that the
    prompts share, BOS and whatever an edit does to it included, runs once per edit set and is reused for every prompt.
    """
    shown: dict[tuple[int, int], str] = {}
    for row in answer_rows(runtime, prompts, edits, max_new_tokens):
        text = Answer(decode_answer(runtime, row.ids), row.ended)
        if not row.done:
            text = Answer(text.rstrip("\ufffd"))
        at = (row.prompt, row.edit)
        if shown.get(at, None if row.done else "") != text:
            shown[at] = text
            yield *at, text


class AnswerRow(NamedTuple):
    """An answer under way: its token ids so far (the list grows), whether that is all of it, and, once it is, whether
    the model stopped by itself."""

    prompt: int
    edit: int
    ids: list[int]
    done: bool
    ended: bool | None = None


def answer_rows(
    runtime: Runtime,
    prompts: Sequence[Prompt],
    edits: Sequence[Edits],
    max_new_tokens: int,
    pairs: Collection[tuple[int, int]] | None = None,
) -> Iterator[AnswerRow]:
    """Every row after each of its tokens; the last time, and once only, it is done.

    pairs: (prompt, edit set) of each row; None for every prompt under every set.
    """
    every = {(p, e) for p in range(len(prompts)) for e in range(len(edits))} if pairs is None else set(pairs)
    # A prefix is run once per edit set, which saves something only where sets have several prompts.
    start = shared_prefix(prompts) if len(every) > len(edits) and len(prompts) > 1 and not runtime.alone else 0
    most = max(1, tokens_per_forward() // max(1, start))  # edit sets whose prefixes are held at a time
    for first in range(0, len(edits), most):
        some = edits[first : first + most]
        plan = runtime.plan(some)
        here = [(p, e - first) for p, e in every if first <= e < first + most]
        rows = sorted(here, key=lambda row: (len(prompts[row[0]]), row))
        past = prefix_pass(runtime, plan, prompts[0], list(range(len(some))), start)[1] if start else None
        while rows:
            longest = len(prompts[rows[-1][0]])
            size = answers_together(longest + max_new_tokens)
            if runtime.alone:
                size = 1
            elif runtime.window is not None and longest + max_new_tokens > runtime.window:
                # A sliding window counts the holes that padding leaves, so such rows are never padded.
                size = min(size, sum(len(prompts[p]) == longest for p, _ in rows))
            chunk, rows = rows[-size:], rows[:-size]
            for row, ids, done, ended in _batch(runtime, plan, prompts, chunk, start, past, max_new_tokens):
                prompt, edit = chunk[row]
                yield AnswerRow(prompt, first + edit, ids, done, ended)


def _batch(
    runtime: Runtime,
    plan: Plan,
    prompts: Sequence[Prompt],
    chunk: list[tuple[int, int]],
    start: int,
    past: Any,
    max_new_tokens: int,
) -> Iterator[tuple[int, list[int], bool, bool | None]]:
    """(row, its token ids so far, whether it is done, whether the model ended it) at every step."""
    rows = [(prompts[p], e) for p, e in chunk]
    cache = None if past is None else select(past, [e for _, e in chunk])
    growing = Growing(runtime, plan, rows, start, cache)
    limits = [min(max_new_tokens, runtime.room(prompt)) for prompt, _ in rows]
    found: list[list[int]] = [[] for _ in chunk]
    alive = list(range(len(chunk)))
    for _ in range(max_new_tokens):
        tokens, keep = growing.step(), list[int]()
        for i, (row, token) in enumerate(zip(alive, tokens, strict=True)):
            stops = token in runtime.stop_ids
            if not stops:
                found[row].append(token)
                if len(found[row]) < limits[row]:
                    keep.append(i)
            done = not keep or keep[-1] != i
            yield row, found[row], done, stops if done else None
        if not keep:
            return
        alive = [alive[i] for i in keep]
        growing.append(tokens, keep)


def decode_answer(runtime: Runtime, ids: list[int]) -> str:
    """Ids to text, special tokens left out; behind the mark of a thought that the template opened, so that what is
    thought is not taken for an answer."""
    return runtime.template.thought + runtime.tokenizer.decode(
        ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
