"""Prompts that are divided into categories, with the contrast prompts they are compared with.

Knows: lists of prompts and the categories that came with them. Does not know: models, features. Contrast prompts are
requests like the others that should be answered, such as CoCoNot's contrast part or the shipped look-alikes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.errors import InputError
from core.prompts.checks import prompts_digest, same_text_key
from core.prompts.public_sets import PromptList
from core.prompts.shipped import ShippedPrompt, read_shipped

#: What stands for no category, in lower case; so no category can be called that.
NO_CATEGORY = "none"
#: Fewer prompts than this say nothing of a category.
FEWEST = 8


@dataclass(frozen=True)
class Labelled:
    """texts, categories: harmful prompts and the category of each, both n long. contrast: prompts to be answered.

    origin: where they are from, in words. left_out: categories that had fewer than `FEWEST` prompts, with how many.
    uncategorized: how many rows have a text and no category, and are left out too. both: how many contrast prompts are
    harmful ones as well, and are left out of the contrast.
    """

    texts: tuple[str, ...]
    categories: tuple[str, ...]
    contrast: tuple[str, ...]
    origin: str
    left_out: tuple[tuple[str, int], ...] = ()
    uncategorized: int = 0
    both: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The categories, the largest first."""
        counts = Counter(self.categories)
        return tuple(sorted(counts, key=lambda name: (-counts[name], name)))

    @property
    def digest(self) -> str:
        """Which prompts in which categories these are."""
        return prompts_digest(self.texts, self.categories, self.contrast)

    def shuffled(self, seed: int) -> Labelled:
        """The same texts, the categories and “contrast” dealt out to them by chance: nothing is left to find."""
        every = (*self.texts, *self.contrast)
        order = np.random.default_rng(seed).permutation(len(every))
        mixed = [every[i] for i in order]
        return replace(self, texts=tuple(mixed[: len(self.texts)]), contrast=tuple(mixed[len(self.texts) :]))

    def first(self, most: int) -> Labelled:
        """At most so many prompts of each category, and so many contrast prompts for each category."""
        seen, kept = Counter[str](), list[int]()
        for place, name in enumerate(self.categories):
            seen[name] += 1
            if seen[name] <= most:
                kept.append(place)
        texts, names = tuple(self.texts[i] for i in kept), tuple(self.categories[i] for i in kept)
        return replace(self, texts=texts, categories=names, contrast=self.contrast[: most * len(seen)])


def labelled(
    texts: Sequence[str], categories: Sequence[str], contrast: Sequence[str], origin: str, only: Sequence[str] = ()
) -> Labelled:
    """From rows as they stand. only: these categories. A text that occurs twice, or has no category, is left out.

    Raises InputError for a list without categories, with one called “none”, with a single one and no contrast prompts,
    or without the wanted.
    """
    if not any(map(str.strip, categories)):
        raise InputError(
            f"{origin} has no categories. Give a file with a column “category”, or name its column (--category-column)."
        )
    if taken := next((name.strip() for name in categories if name.strip().lower() == NO_CATEGORY), ""):
        raise InputError(
            f"{origin} has a category “{taken}”, which stands for no category here. Rename it, or leave it empty."
        )
    seen, rows = set[str](), list[tuple[str, str]]()
    for text, name in zip(texts, categories, strict=True):
        if text.strip() and name.strip() and (key := same_text_key(text)) not in seen:
            seen.add(key)
            rows.append((text.strip(), name.strip()))
    counts = Counter(name for _, name in rows)
    if unknown := [name for name in only if name not in counts]:
        raise InputError(f"{origin} has no category “{unknown[0]:.60}”. It has {_listed(counts)}.")
    wanted = {name for name in (only or counts) if counts[name] >= FEWEST}
    if not wanted:
        raise InputError(f"No category of {origin} has {FEWEST} prompts. The largest is {_listed(counts, 1)}.")
    other = {same_text_key(text): text.strip() for text in contrast if text.strip()}
    against = tuple(text for key, text in other.items() if key not in seen)
    if len(wanted) == 1 and len(against) < FEWEST:
        raise InputError(
            f"{origin} has one category, “{next(iter(wanted)):.60}”, and fewer than {FEWEST} contrast prompts, so "
            "there is nothing to compare it with. Give contrast prompts (--contrast FILE)."
        )
    kept = [(text, name) for text, name in rows if name in wanted]
    left_out = tuple((name, n) for name, n in counts.most_common() if name not in wanted and (not only or name in only))
    bare = sum(bool(text.strip()) and not name.strip() for text, name in zip(texts, categories, strict=True))
    sides = (tuple(t for t, _ in kept), tuple(c for _, c in kept), against)
    return Labelled(*sides, origin, left_out, bare, len(other) - len(against))


def from_lists(found: PromptList, contrast: PromptList | None, only: Sequence[str] = ()) -> Labelled:
    """From a list with categories and one of contrast prompts.

    Where both have categories, contrast prompts of the list's own categories are used if there are enough of them: the
    others, such as CoCoNot's incomplete requests, differ from harmful ones in more than harm. Raises InputError.
    """
    against: Sequence[str] = () if contrast is None else contrast.rows
    if contrast is not None and contrast.categories:
        own = set(found.categories)
        alike = [text for text, name in zip(contrast.rows, contrast.categories, strict=True) if name in own]
        against = alike if len(alike) >= FEWEST else against
    return labelled(found.rows, found.categories or [""] * len(found.rows), against, found.origin, only)


def from_shipped(rows: Sequence[ShippedPrompt], only: Sequence[str] = ()) -> Labelled:
    """The model's own prompts that nothing was trained on, harmful against look-alikes. Raises InputError."""
    kept = [row for row in rows if row.split in ("test", "val")]
    harmful = [row for row in kept if row.kind == "harmful"]
    texts, names = [row.text for row in harmful], [row.category for row in harmful]
    return labelled(texts, names, [row.text for row in kept if row.kind == "lookalike"], "The shipped list", only)


def shipped_category_of(path: Path | None) -> dict[str, str]:
    """Shipped prompt → its category; nothing for a model without such prompts. Raises AssetError."""
    return {} if path is None else {row.text: row.category for row in read_shipped(path) if row.category}


def categories_of(texts: Sequence[str], category_of: Mapping[str, str]) -> tuple[str, ...]:
    """The category of each text, empty where it has none; no entry at all where none of them has one."""
    found = tuple(category_of.get(text, "") for text in texts)
    return found if any(found) else ()


def _listed(counts: Counter[str], most: int = 6) -> str:
    return ", ".join(f"“{name:.60}” ({n:,})" for name, n in counts.most_common(most))
