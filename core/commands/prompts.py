"""`python -m core prompts`: a set or a file looked at, told about, divided and written.

Knows: what is printed. Does not know: argument parsing (`core.__main__`), models.
"""

from __future__ import annotations

import sys
from pathlib import Path

from core.progress import Progress
from core.prompts.checks import Report, check_prompts, parse_split, prompts_digest, split
from core.prompts.files import write_prompts
from core.prompts.public_sets import find_set, load_set, page, set_names
from core.prompts.sources import PartKind

#: Dropped rows that are listed one by one.
_LISTED = 10


def prompts(
    name_or_file: str,
    kind: PartKind | None,
    column: str | None,
    parts: str,
    seed: int,
    out: Path | None,
    progress: Progress,
) -> None:
    """Print what the list holds and what is wrong with it; write what is kept. Raises InputError, DownloadError."""
    wanted = parse_split(parts) if parts else {}
    found = load_set(name_or_file, kind, column, progress)
    report = check_prompts(found.rows)
    print(found.origin)
    if name_or_file.strip().lower() in set_names():
        source = find_set(name_or_file)
        print(f"{source.note}\nLicence: {source.licence}\nCite: {source.citation}\nFrom: {page(source)}")
    print(report.sentence())
    for line in (*found.warnings, *report.warnings, *_dropped(report)):
        print(f"  {line}")
    print(f"Digest of what is kept: {prompts_digest(report.kept)}")
    for name, texts in split(report.kept, wanted, seed).items() if wanted else {}.items():
        print(f"{name}: {len(texts):,} prompts, seed {seed}, digest {prompts_digest(texts)}")
        if out is not None:
            _write(texts, out.with_name(f"{out.stem}.{name}{out.suffix}"))
    if out is not None and not wanted:
        _write(report.kept, out)


def _dropped(report: Report) -> list[str]:
    lines = [f"row {one.row + 1:,}: {one.reason}, {one.detail}" for one in report.dropped[:_LISTED]]
    more = len(report.dropped) - len(lines)
    return lines + ([f"and {more:,} more rows"] if more else [])


def _write(texts: tuple[str, ...], path: Path) -> None:
    write_prompts(texts, path)
    print(f"{path} written", file=sys.stderr)
