"""Models that think before they answer: the marks around it, and the chat template's switch for it.

Knows: the marks and switches that templates use. Does not know: models, verdicts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

#: How models mark it: DeepSeek-R1, Qwen3, GLM and others; Cohere's and Seed's; and words between brackets.
_NAMES = r"(?:think|thinking|thought|reasoning|seed:think)"
_OPEN = re.compile(rf"<{_NAMES}>|\[THINK\]|<\|START_THINKING\|>|<\|begin_of_thought\|>", re.IGNORECASE)
_CLOSE = re.compile(rf"</{_NAMES}>|\[/THINK\]|<\|END_THINKING\|>|<\|end_of_thought\|>", re.IGNORECASE)
#: An opening mark → the closing one, where it is not the same word after a slash.
_CLOSES = {
    "[THINK]": "[/THINK]",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|begin_of_thought|>": "<|end_of_thought|>",
}
#: Variables of chat templates that switch thinking, and what switches it off: Qwen3, SmolLM3, GLM-4.5 and EXAONE 4;
#: DeepSeek-V3.1 and Granite 3.2; others alike; Seed-OSS's budget of tokens.
SWITCHES: tuple[tuple[str, object, object], ...] = (
    ("enable_thinking", True, False),
    ("thinking", True, False),
    ("enable_reasoning", True, False),
    ("use_thinking", True, False),
    ("reasoning", True, False),
    ("thinking_budget", -1, 0),
)


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


def open_thought(written: str) -> str:
    """The mark of a thought that a text, such as what a template writes before the answer, opens and leaves open."""
    opened, closed = list(_OPEN.finditer(written)), list(_CLOSE.finditer(written))
    if not opened or (closed and closed[-1].start() > opened[-1].start()):
        return ""
    return opened[-1][0]


def closing(mark: str) -> str:
    """What ends a thought that `mark` opened, nothing thought, so that the answer begins behind it."""
    return f"\n{_CLOSES.get(mark, mark.replace('<', '</'))}\n\n"


def find_switch(render: Callable[[dict[str, object]], str]) -> tuple[str, object, object] | None:
    """The switch of a chat template, one of `SWITCHES`: that which changes what is written. render: the template's text
    for a request, given variables."""
    for switch in SWITCHES:
        name, on, off = switch
        if render({name: on}) != render({name: off}):
            return switch
    return None
