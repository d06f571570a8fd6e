"""A conversation as a chat template writes it, on one day for ever: numbers must not change with the date.

Knows: transformers' chat templates, and how they ask for the date. Does not know: what the text is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

#: What Llama 3.1's template writes where no date is given.
DAY = datetime(2024, 7, 26)
_PARTS = "aAwdbBmyYHIpMSfzZjUWcxX"


def write_chat(tokenizer: Any, messages: Sequence[Mapping[str, str]], **given: Any) -> str:
    """The template's text, not tokenized. given: as `apply_chat_template` takes it, and variables of the template.

    A template that writes a date has `DAY` as the option that Llama's know, and as what `strftime_now` tells. Raises
    whatever a template raises by itself.
    """
    template = tokenizer.get_chat_template() if tokenizer.chat_template else None
    if template and "strftime_now" in template:
        given["chat_template"] = _STRFTIME_NOW + template
    text: str = tokenizer.apply_chat_template(
        list(messages), tokenize=False, **{"date_string": DAY.strftime("%d %b %Y"), **given}
    )
    return text


def _strftime_now() -> str:
    """The function in Jinja, in place of the one that transformers gives templates, which asks the clock. It cannot be
    handed over as a variable: those are made text. Its last output keeps the template's first line break."""
    replaced = "".join(
        f" | replace('%-{part}', '{_short(part)}') | replace('%{part}', '{_told(part)}')" for part in _PARTS
    )
    return f"{{%- macro strftime_now(format) -%}}{{{{ format{replaced} }}}}{{%- endmacro -%}}{{{{ '' }}}}"


def _told(part: str) -> str:
    return DAY.strftime(f"%{part}")


def _short(part: str) -> str:
    """Without leading zeros, as `%-d` asks."""
    told = _told(part)
    return (told.lstrip("0") or "0") if told.isdigit() else told


_STRFTIME_NOW = _strftime_now()
