"""Numbers and texts as a card's page writes them. Knows: HTML's markup characters. Does not know: cards."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

from core.text.figures import counted as counted
from core.text.figures import signed as signed


def escaped(text: object) -> str:
    """For HTML, in text and in quoted attributes."""
    return html.escape(str(text), quote=True)


def number(value: float | None, form: str = ".3f") -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:{form}}".replace("-", "−")


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = (), wide: Sequence[int] = ()
) -> str:
    """A table that scrolls sideways by itself. heads, rows: HTML. numbers: columns set to the right; wide: columns of
    longer text."""
    mark = [" class='n'" * (n in numbers) + " class='wide'" * (n in wide) for n in range(len(heads))]
    head = "".join(f"<th scope='col'{m}>{h}</th>" for h, m in zip(heads, mark, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{m}>{cell}</td>' for cell, m in zip(row, mark, strict=True))}</tr>" for row in rows
    )
    return f"<div class='scroll' tabindex='0'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
