"""A feature's label in words: where it fires, with the token marked, and what it promotes.

“…teaching extremists to grow ⟦deadly⟧ bacteria. · crack · gas → other, ous, per”: its strongest context as Neuronpedia
shows one, other words it fires on, and the tokens its decoder row promotes. A feature that fires on the template's own
tokens only, in all its strongest places, says so first.
Knows: contexts and strings. Does not know: models, files, pages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.labels.contexts import Context

#: How many further words it fires on, and of the tokens it promotes, a label names.
IN_LABEL = 2, 3
#: Letters of a context before its token and after it.
BEFORE, AFTER = 26, 16
SILENT = "silent on the sample"
_PROMOTES = " → "
TEMPLATE = "template: "
_ROLES = ("", "system", "user", "assistant", "model")
_SPECIAL = re.compile(r"<\|?([\w ]+)\|?>")


def label_text(
    contexts: Sequence[Context], words: Sequence[str], promoted: Sequence[str], special: Sequence[str]
) -> str:
    """The label. contexts: its strongest places, strongest first; words: tokens it fires on, the most frequent first;
    promoted: tokens, each readable by itself; special: the tokenizer's special tokens.
    """
    others, most = IN_LABEL
    fires = SILENT
    if contexts:
        fires = in_context(contexts[0])
        if all(in_template(each, special) for each in contexts):
            fires = TEMPLATE + fires
        else:
            fires = " · ".join([fires, *[each for each in words if each != word(contexts[0].token)][:others]])
    return f"{fires}{_PROMOTES}{', '.join(promoted[:most])}"


def without_promoted(label: str) -> str:
    """What a label says of where its feature fires. The arrow that counts is the last: a context can have others, and a
    label from elsewhere has none that is ours."""
    ours = "⟦" in label or label.startswith(SILENT)
    return (label.rpartition(_PROMOTES)[0] if ours and _PROMOTES in label else label).strip()


def in_context(context: Context, before: int = BEFORE, after: int = AFTER) -> str:
    """One line: the text around the token, which stands in ⟦ ⟧, with line breaks and lone blanks visible."""
    left, right = _line(context.before), _line(context.after)
    if len(left) > before:
        left = "…" + left[-before:].partition(" ")[2] if " " in left[-before:] else "…" + left[-before:]
    right = right[:after].rstrip() + ("…" if len(right) > after else "")
    blank = " " if context.token.startswith(" ") and context.token.strip() else ""
    return f"{left}{blank}⟦{_line(context.token).strip() or '␣'}⟧{right}"


def in_template(context: Context, special: Sequence[str]) -> bool:
    """Whether the token is the chat template's own: a special token, or nothing but a role and blanks after one."""
    text = context.before + context.token
    ends = [text.rfind(name) + len(name) for name in special if name and name in text]
    return bool(ends) and text[max(ends) :].strip() in _ROLES


def word(token: str) -> str:
    """A token by itself, readable also where it is nothing but blanks."""
    return _line(token).strip() or token.replace(" ", "␣")


def _line(text: str) -> str:
    """One line without anything invisible."""
    text = _SPECIAL.sub(r"‹\1›", text).replace("\n", "↵").replace("\t", "⇥")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
