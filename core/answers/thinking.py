"""What an answer says once the model's thinking is taken away.

Knows: the marks that thinking models write around it. Does not know: templates, tokens, verdicts.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: How models mark it: DeepSeek-R1, Qwen3, GLM and others; Cohere's and Seed's; and words between brackets.
_NAMES = r"(?:think|thinking|thought|reasoning|seed:think)"
_OPEN = re.compile(rf"<{_NAMES}>|\[THINK\]|<\|START_THINKING\|>|<\|begin_of_thought\|>", re.IGNORECASE)
_CLOSE = re.compile(rf"</{_NAMES}>|\[/THINK\]|<\|END_THINKING\|>|<\|end_of_thought\|>", re.IGNORECASE)


class Said(NamedTuple):
    """text: the answer without thinking. still_thinking: it was cut off before the answer began."""

    text: str
    still_thinking: bool


def what_is_said(answer: str) -> Said:
    """The text after the last closed thought. A template may have opened the first one, so that only its end is in the
    answer."""
    after = list(_CLOSE.finditer(answer))
    rest = answer[after[-1].end() :] if after else answer
    opened = _OPEN.search(rest)
    if opened is None:
        return Said(rest.lstrip() if after else rest, False)
    before = rest[: opened.start()]
    return Said(before.rstrip(), not before.strip())


def opens_thinking(written: str) -> bool:
    """Whether a text, such as what a template writes before the answer, ends inside a thought."""
    opened = list(_OPEN.finditer(written))
    closed = list(_CLOSE.finditer(written))
    return bool(opened) and (not closed or closed[-1].start() < opened[-1].start())
