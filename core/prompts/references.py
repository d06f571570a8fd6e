"""Reference answers: what to answer a prompt without refusing, and how likely their writer found them.

Knows: files with one JSON object a line, prompt and answer in it. Does not know: models or tokens. What is measured
with them is in `core.measures.recovery`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import AssetError, InputError
from core.prompts.checks import damage
from core.prompts.decoding import MOST_BYTES, decode, lines_of, too_large, unzipped
from core.shipped_files import check_shipped
from core.text.json_text import json_text, json_value
from core.text.reasons import reason_of


@dataclass(frozen=True)
class Reference:
    """A prompt and what to answer it.

    nll: mean negative log-likelihood of the answer after the prompt under the model that wrote it, nats a token; None
    where that is not known. tokens: in how many tokens of that model, None for as many as the audited model has. model:
    who wrote it, for people.
    """

    prompt: str
    answer: str
    nll: float | None = None
    tokens: int | None = None
    model: str = ""


def read_references(data: bytes, name: str) -> list[Reference]:
    """From a JSONL file's bytes, in file order. Raises InputError with the line and what is wrong there."""
    if len(data) > MOST_BYTES:
        raise too_large(name)
    data, name = unzipped(data, name)
    decoded = decode(data, name)
    if decoded.warning:  # an answer is measured letter by letter, so a guess is not good enough
        raise InputError(f"{decoded.warning} Reference answers must be in UTF-8.")
    found: dict[str, tuple[int, Reference]] = {}
    for number, line in enumerate(lines_of(decoded.text), start=1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        one = _reference(_object(line, where), where)
        if one.prompt in found:
            raise InputError(f"{where}: line {found[one.prompt][0]} has the same prompt. Keep one of the two.")
        found[one.prompt] = number, one
    if not found:
        raise InputError(f'{name} has no reference answers. Write one object a line: {{"prompt": "…", "answer": "…"}}.')
    return [one for _, one in found.values()]


def read_reference_file(path: str | Path) -> list[Reference]:
    """The same from a file on this machine. Raises InputError."""
    where = Path(path)
    try:
        data = where.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}). Give a JSONL file with prompts and answers."
        ) from error
    return read_references(data, where.name)


def shipped_references(path: Path | None) -> list[Reference]:
    """Those that come with a model; none where it has none. Raises AssetError."""
    if path is None:
        return []
    check_shipped(path)
    try:
        return read_reference_file(path)
    except InputError as error:
        raise AssetError(f"The shipped reference answers cannot be used. {error} Restore the file.") from error


def write_references(references: Iterable[Reference], path: Path) -> None:
    """One line each, which `read_reference_file` reads back as it is; what is not known is left out."""
    rows = ({k: v for k, v in asdict(one).items() if v not in (None, "")} for one in references)
    lines = (json_text(row, ascii_only=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def references_for(prompts: Sequence[str], *lists: Iterable[Reference]) -> tuple[Reference, ...]:
    """One for each of the prompts that has any, in their order; a list goes before those after it."""
    known: dict[str, Reference] = {}
    for references in lists:
        for one in references:
            known.setdefault(one.prompt, one)
    return tuple(known[text] for text in dict.fromkeys(map(str.strip, prompts)) if text in known)


def _object(line: str, where: str) -> Mapping[str, Any]:
    try:
        found = json_value(line, names_once=True)
    except ValueError as error:
        raise InputError(
            f'{where} is not JSON ({reason_of(error)}). Write one object a line: {{"prompt": "…", "answer": "…"}}.'
        ) from error
    if not isinstance(found, dict):
        raise InputError(f'{where} is not an object. Write {{"prompt": "…", "answer": "…"}}.')
    return found


def _reference(row: Mapping[str, Any], where: str) -> Reference:
    texts = {}
    for name in ("prompt", "answer"):
        text = row.get(name)
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{where} has no text under “{name}”. Each line needs “prompt” and “answer”.")
        if damaged := damage(text):
            raise InputError(f"{where}: “{name}” has {damaged}. Correct the text.")
        texts[name] = text.strip()
    nll, tokens, model = row.get("nll"), row.get("tokens"), row.get("model", "")
    if nll is not None and not (_number(nll) and 0 <= nll < math.inf):
        raise InputError(f"{where}: “nll” is {nll!r:.40}. Give nats a token, a number of at least 0, or leave it out.")
    if tokens is not None and not (_number(tokens) and tokens == int(tokens) and tokens >= 1):
        raise InputError(f"{where}: “tokens” is {tokens!r:.40}. Give a whole number of at least 1, or leave it out.")
    if not isinstance(model, str):
        raise InputError(f"{where}: “model” is {model!r:.40}. Give a name, or leave it out.")
    return Reference(**texts, nll=nll, tokens=None if tokens is None else int(tokens), model=model.strip())


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
