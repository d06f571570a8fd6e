"""A list of prompts as it is read, checked: the one way in which pages and commands take prompts in.

Knows: lists with their categories, and what is wrong with prompts (`core.prompts.checks`). Does not know: models,
beyond the tokenizer and the length that it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from core.errors import InputError
from core.prompts.checks import MOST_CHARACTERS, Report, check_prompts, one_category_each
from core.prompts.decoding import MOST_BYTES
from core.prompts.public_sets import PromptList
from core.text.figures import counted


@dataclass(frozen=True)
class Checked:
    """found: the rows that are kept, with their categories. report: of all rows. warnings: of reading and checking."""

    found: PromptList
    report: Report
    warnings: tuple[str, ...]

    def notes(self) -> tuple[str, ...]:
        """How it was read, what to look at and, where anything was left out, what: sentences and lines."""
        dropped = (self.report.sentence(), *self.report.rows_dropped()) if self.report.dropped else ()
        return (*self.found.how, *self.warnings, *dropped)

    def some(self) -> Checked:
        """Itself. Raises InputError where nothing is kept."""
        if self.report.kept:
            return self
        first = f" The first: {self.report.rows_dropped()[0]}." if self.report.dropped else ""
        many = len(self.report.dropped)
        rows = "The only row" if many == 1 else f"None of the {counted(many, 'row')}"
        can = "cannot" if many == 1 else "can"
        raise InputError(f"{rows} of {self.found.origin} {can} be used as a prompt.{first}")


def check_list(
    found: PromptList, tokenizer: Callable[..., Any] | None = None, context_length: int = 0, *, prose: bool = False
) -> Checked:
    """Leave out what cannot be used: no text, damaged, too long, or there before. With a tokenizer, too long is what
    takes more than half of the context, since the template and the answer need the rest.

    prose: texts that are no requests; they may be as long as the context. A prompt that stands in several categories
    keeps the first, and a warning tells.
    """
    share = 1 if prose else 2
    report = check_prompts(
        found.rows,
        MOST_BYTES if prose else MOST_CHARACTERS,
        most_tokens=context_length // share if tokenizer else None,
        count_tokens=(lambda text: len(tokenizer(text).input_ids)) if tokenizer else None,
        not_text=found.not_text,
    )
    categories, several = one_category_each(found.rows, found.categories) if found.categories else ((), "")
    kept = replace(
        found,
        rows=report.kept,
        categories=tuple(categories[row] for row in report.rows) if any(categories) else (),
        not_text={},
    )
    return Checked(kept, report, tuple(filter(None, (*found.warnings, *report.warnings, several))))
