"""Facts in which workers must be alike, and the first in which two are not.

Knows: named facts, as text. Does not know: what they are of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


def first_difference(
    mine: Mapping[str, str], its: Mapping[str, str], titles: Mapping[str, str], hidden: Collection[str] = ()
) -> str:
    """“other versions (2, here 1)”: the first fact in which `its` is another, for the end of a sentence; empty where
    there is none. titles: fact → what another one is called. hidden: facts whose values nobody could read."""
    for name, value in mine.items():
        if value != its[name]:
            shown = "" if name in hidden else f" ({its[name] or 'none'}, here {value or 'none'})"
            return titles[name] + shown
    return ""
