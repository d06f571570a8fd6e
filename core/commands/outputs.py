"""The file of `--out`: checked before anything is computed, and written so that trouble is one sentence.

Knows: paths. Does not know: what is written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.commands.terminal import note
from core.errors import InputError
from core.kept_files import write_to

if TYPE_CHECKING:
    from core.discovery.tables.export import Facts
    from core.discovery.tables.table import Table

#: How the files end that `core.discovery.tables.export.write` puts into a folder.
TABLE_ENDINGS = (".csv", ".parquet", ".json", ".md")


def check_out(out: Path | None, *sources: str | Path | None) -> None:
    """Raises InputError for a file that would overwrite one of those that are read, for a folder, and for a file in a
    folder that is not there. sources: files, or names of something else, which no file has."""
    if out is None:
        return
    for path in (Path(source) for source in sources if source):
        if out.exists() and path.exists() and out.samefile(path):
            raise InputError(f"{out} is the file that is read, and would be overwritten. Give --out another name.")
    if out.is_dir():
        raise InputError(f"{out} is a folder. Give --out the name of a file.")
    # A link is followed: what it leads to must have a folder too.
    for folder in (out.parent, Path(os.path.realpath(out)).parent):
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}. Make it, or give --out a file in another folder.")


def check_out_folder(out: Path | None, *sources: str | Path | None) -> None:
    """The same for a folder that will hold tables (`core.discovery.tables.export.write`)."""
    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file. Give --out the name of a folder.")
    for path in (Path(source) for source in sources if source):
        inside = path.is_file() and path.resolve().parent == out.resolve()
        if inside and path.suffix.lower() in TABLE_ENDINGS:
            raise InputError(
                f"{path} is read, and lies in the folder of --out, where a table could overwrite it. Give --out "
                "another folder."
            )


def write_out(out: Path, text: str) -> None:
    """Write a whole file, or into a device or pipe. Raises InputError where it cannot be written."""
    try:
        write_to(out, text)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror or error}). Choose another file.") from error


def write_tables(tables: Sequence[Table], facts: Facts, out: Path, title: str = "") -> None:
    """The tables and their report as files of a folder; what of an earlier report was removed there is noted. Raises
    InputError where they cannot be written."""
    from core.discovery.tables.export import TITLE, write

    removed = write(tables, facts, out, title or TITLE).removed
    if removed:
        names = ", ".join(sorted(path.name for path in removed))
        note(f"Tables of an earlier report that this one does not have were removed from {out}: {names}")
