"""Prompts by the name of a public set, fetched from the hub when asked for, or from a file.

Knows: `core.prompts.sources`, the hub, the reader of files. Does not know: models, or what is done with prompts. What
is fetched lies in the user's own hub cache, under its own licence; nothing of it is kept anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import InputError
from core.hub.fetch import Wanted, fetch
from core.hub.listing import endpoint
from core.progress import NEVER, QUIET, Progress
from core.prompts.files import PromptFile, read_file, read_prompts
from core.prompts.sources import SOURCES, Part, PartKind, PublicSet


@dataclass(frozen=True)
class PromptList:
    """Prompts as they stand in their files, row by row; `core.prompts.checked.check_list` takes out what is wrong.

    origin: where they are from, in words; warnings: sentences.
    categories: of every row, the finest division that its file has, such as CoCoNot's subcategories; empty without any.
    how: how each file was read, sentences. not_text: rows, from 0, whose value is no text, and what it is.
    """

    rows: tuple[str, ...]
    origin: str
    warnings: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    how: tuple[str, ...] = ()
    not_text: Mapping[int, str] = field(default_factory=dict)

    def category_of(self) -> dict[str, str]:
        """Prompt, outer white space gone, → its category; the first where a prompt stands twice."""
        pairs = zip(self.rows, self.categories, strict=True) if self.categories else ()
        return {text.strip(): category for text, category in reversed(list(pairs))}


def set_names() -> tuple[str, ...]:
    """The public sets that are known."""
    return tuple(source.name for source in SOURCES)


def find_set(name: str) -> PublicSet:
    """The set called `name`, without regard to case. Raises InputError."""
    for source in SOURCES:
        if source.name == name.strip().lower():
            return source
    raise InputError(f"There is no prompt set “{name:.60}”. Known sets: {', '.join(set_names())}.")


def page(source: PublicSet) -> str:
    """Its page on the hub, for people."""
    return f"{endpoint()}/datasets/{source.repo}"


def part_of(source: PublicSet, kind: PartKind | None = None) -> Part:
    """The part of one kind, the first where none is asked for. Raises InputError."""
    for part in source.parts:
        if kind in (None, part.kind):
            return part
    raise InputError(f"{source.title} has no {kind} prompts. It has {' and '.join(source.kinds)} prompts.")


def fetch_set(
    name: str,
    kind: PartKind | None = None,
    column: str | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> PromptList:
    """The prompts of a public set, downloaded first where they are not here yet. column: read this one instead.

    Raises InputError, and DownloadError, GatedError, OfflineError or Cancelled as `core.hub.fetch.fetch` does.
    """
    source = find_set(name)
    part = part_of(source, kind)
    folder = fetch(Wanted(source.repo, part.files, "dataset", source.revision), progress, cancelled)
    files = sorted({path for pattern in part.files for path in folder.glob(pattern)})
    read = [read_prompts(path.read_bytes(), path.name) for path in files]
    rows = tuple(row for file in read for row in _belonging(file, part, file.rows(column or part.column)))
    if not any(map(str.strip, rows)):
        raise InputError(f"{source.title} no longer has {part.kind} prompts. See {page(source)}.")
    origin = f"{source.title} ({part.kind}), {source.repo} at {folder.name[:12]}"
    categories: tuple[str, ...] = ()
    if all(file.category_column for file in read):
        categories = tuple(name for file in read for name in _belonging(file, part, file.categories()))
    read_as = column or part.column
    # Rows that need a second column are what `where` leaves out.
    told = ((file.warning,) if part.where else file.warnings(read_as) for file in read)
    warnings = tuple(warning for warnings in told for warning in warnings if warning)
    beside = ((file, _beside(file, file.category_column if categories else None, read_as)) for file in read)
    how = tuple(dict.fromkeys(file.sentence(read_as, *also) for file, also in beside))
    return PromptList(rows, origin, warnings, categories, how)


def read_local(path: str | Path, column: str | None = None, category_column: str | None = None) -> PromptList:
    """The prompts in a file, with their categories. category_column: where its name does not show it. Raises
    InputError."""
    return list_of(read_file(path), column, category_column)


def list_of(file: PromptFile, column: str | None = None, category_column: str | None = None) -> PromptList:
    """The prompts of a file that was read. Raises InputError."""
    rows, categories = tuple(file.rows(column)), tuple(file.categories(category_column))
    beside = category_column or file.category_column
    how = (file.sentence(column, *_beside(file, beside, column)),)
    return PromptList(rows, file.name, file.warnings(column), categories, how, file.not_text(column))


def _beside(file: PromptFile, category_column: str | None, column: str | None) -> tuple[str, ...]:
    """The column that is read beside the prompts, where there is one."""
    return (category_column,) if category_column and category_column != (column or file.suggested) else ()


def load_set(
    name_or_file: str,
    kind: PartKind | None = None,
    column: str | None = None,
    progress: Progress = QUIET,
    category_column: str | None = None,
) -> PromptList:
    """A public set by name, else a file. category_column: of a file. Raises as `fetch_set` and `read_local`."""
    if name_or_file.strip().lower() in set_names():
        return fetch_set(name_or_file, kind, column, progress)
    if not Path(name_or_file).exists():
        raise InputError(
            f"“{name_or_file:.80}” is neither a file nor a known prompt set. Known sets: {', '.join(set_names())}."
        )
    return read_local(name_or_file, column, category_column)


def _belonging(file: PromptFile, part: Part, rows: list[str]) -> list[str]:
    """The texts of a column, of the rows that belong to the part."""
    if part.where is None:
        return rows
    name, wanted = part.where
    if name not in file.table.columns:
        raise InputError(f"{file.name} no longer has the column “{name}”, which marks its {part.kind} prompts.")
    values = ("" if value is None or value != value else str(value).strip().casefold() for value in file.table[name])
    return [row for row, value in zip(rows, values, strict=True) if value == wanted.casefold()]
