"""`hydrascope prompts`: a public set or a file, checked, divided and written.

Knows: what is printed. Does not know: models.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.commands.exit_codes import ExitCode
from core.commands.options import refuse_unused
from core.commands.outputs import check_out
from core.commands.terminal import note, progress_bar
from core.errors import InputError
from core.prompts.sources import SOURCES

if TYPE_CHECKING:
    from core.prompts.checks import Report

SUMMARY = "check, split and write a public prompt set or a file"
EXAMPLE = "hydrascope prompts mine.csv --split train=0.8,val=0.2 --out mine.txt"
#: Dropped rows that are listed one by one.
_LISTED = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(source.name for source in SOURCES)
    parser.add_argument("prompts", metavar="NAME_OR_FILE", help=f"one of: {names}; or a file")
    parser.add_argument(
        "--kind", choices=("harmful", "benign", "look-alike", "prose"), help="which prompts of a public set to use"
    )
    parser.add_argument("--column", help="the column with the prompts, if there are several columns")
    parser.add_argument(
        "--split", metavar="NAME=SIZE,…", help="the parts, as train=128,val=32, or as shares: train=0.8,val=0.2"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the seed of the split (42)")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="the file for the prompts that are kept; with --split, one file per part",
    )


def run(options: argparse.Namespace) -> int:
    """Print what the list holds and what is wrong with it; write what is kept. Raises InputError, DownloadError."""
    from core.prompts.checks import check_prompts, parse_split, prompts_digest, split
    from core.prompts.public_sets import find_set, load_set, page, set_names

    public = options.prompts.strip().lower() in set_names()
    wanted = {} if options.split is None else parse_split(options.split)
    seed = 42 if options.seed is None else options.seed
    if options.split is None:
        refuse_unused(options, "without --split", "seed")
    if not public:
        refuse_unused(options, "with a file; it chooses among the prompts of a public set", "kind")
    for name in wanted or ("",):
        check_out(_part(options.out, name), None if public else options.prompts)
    with progress_bar() as progress:
        found = load_set(options.prompts, options.kind, options.column, progress)
    report = check_prompts(found.rows, not_text=found.not_text)
    print(found.origin)
    if public:
        source = find_set(options.prompts)
        print(f"{source.note}\nLicence: {source.licence}\nCite: {source.citation}\nFrom: {page(source)}")
    print("\n".join((*found.how, report.sentence())))
    for line in (*found.warnings, *report.warnings, *_dropped(report)):
        print(f"  {line}")
    print(f"Digest of the kept prompts: {prompts_digest(report.kept)}")
    if not report.kept:
        rows = "The only row cannot" if len(found.rows) == 1 else f"None of the {len(found.rows):,} rows can"
        raise InputError(f"{rows} be used as a prompt. Correct the file first.")
    category_of = found.category_of()
    for line in _in_each_category(report.kept, category_of):
        print(f"  {line}")
    for name, texts in split(report.kept, wanted, seed).items() if wanted else {}.items():
        print(f"{name}: {len(texts):,} prompts, seed {seed}, digest {prompts_digest(texts)}")
        _write(texts, _part(options.out, name), category_of)
    if not wanted:
        _write(report.kept, options.out, category_of)
    return ExitCode.DONE


def _in_each_category(texts: Sequence[str], category_of: Mapping[str, str]) -> list[str]:
    """How many of the prompts are in each category, the largest first; nothing where they have none."""
    counts = Counter(filter(None, (category_of.get(text, "") for text in texts)))
    return [f"{name}: {count:,}" for name, count in counts.most_common()]


def _part(out: Path | None, name: str) -> Path | None:
    """The file of one part of a split; with an empty name, of the whole."""
    return out.with_name(f"{out.stem}.{name}{out.suffix}") if out is not None and name else out


def _dropped(report: Report) -> list[str]:
    lines = [f"row {one.row + 1:,}: {one.reason}, {one.detail}" for one in report.dropped[:_LISTED]]
    more = len(report.dropped) - len(lines)
    return lines + ([f"and {more:,} more rows"] if more else [])


def _write(texts: tuple[str, ...], path: Path | None, category_of: Mapping[str, str]) -> None:
    """The prompts, with their categories where they have any and the file has a place for them; nowhere without a
    path."""
    if path is None:
        return
    from core.prompts.categories import categories_of
    from core.prompts.files import write_prompts

    write_prompts(texts, path, categories_of(texts, category_of))
    note(f"{path} written")
