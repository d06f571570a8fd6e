"""The models a person has added: kept in one JSON file in the cache folder, meant to be read by people too.

Knows: that file. Does not know: catalogues, hubs, whether a model is any good (`core.models.check_added` checks that
first). Writes go to a temporary file that replaces the old one, under a lock, so that two processes cannot lose each
other's. A file that cannot be understood is put aside and told of (`trouble`), never written over. A removed model
stays in it as removed: results in the store, its direction and its labels are kept under its name, and must not pass
for those of another model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.errors import AssetError, InputError, UnknownModelError
from core.kept_files import put_aside, write_whole
from core.paths import cache_folder
from core.saes.published import SaeRef
from core.text.json_text import json_text, json_value
from core.text.reasons import reason_of

#: Of the file; increased when older versions can no longer read it.
FORMAT = 1
#: Seconds to wait for another process that writes; it needs milliseconds.
LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class AddedModel:
    """A model that was added. saes: layer → SAELens's names, or an absolute folder. neuronpedia: layer →
    “model/source” of its pages there. The other fields are ModelSpec's. removed: taken off the list again.
    """

    name: str
    model_id: str
    refusal_tokens: tuple[int, ...]
    saes: Mapping[int, Path | SaeRef] = field(hash=False)
    neuronpedia: Mapping[int, str] = field(default_factory=dict, hash=False)
    revision: str | None = None
    removed: bool = False

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(sorted(self.saes))

    def same_numbers(self, other: AddedModel) -> bool:
        """Whether a result of the one could be the other's: the same model and score, and no layer with another SAE."""
        shared = set(self.saes) & set(other.saes)
        facts = [(one.model_id, one.revision, one.refusal_tokens) for one in (self, other)]
        return facts[0] == facts[1] and all(self.saes[layer] == other.saes[layer] for layer in shared)


def added_models() -> dict[str, AddedModel]:
    """name → model, in the order they were added. Empty where the file cannot be read; `trouble` says why."""
    try:
        return {name: model for name, model in _read().items() if not model.removed}
    except AssetError:
        return {}


def list_trouble() -> str:
    """What is wrong with the file, or was, in a sentence; empty when nothing is."""
    try:
        _read()
    except AssetError as error:
        return str(error)
    aside = sorted(_file().parent.glob(f"{_file().name}.aside-*"))
    if not aside:
        return ""
    return (
        f"The list of models you added was damaged and was renamed to {aside[-1]}. Repair it and rename it to "
        f"{_file().name}, or delete it."
    )


def keep(model: AddedModel) -> None:
    """Add a model to the list.

    Raises InputError for a name that another model has or had, AssetError where the file cannot be read or written.
    """

    def add(models: dict[str, AddedModel]) -> None:
        known = models.get(model.name)
        if known is not None and not known.removed:
            raise InputError(f"“{model.name}” is already on the list. Remove it first, or choose another name.")
        if known is not None and not known.same_numbers(model):
            raise InputError(
                f"“{model.name}” was {known.model_id} with other SAEs or refusal tokens before it was removed, and "
                "its results are kept under that name. Choose another name."
            )
        models.pop(model.name, None)  # so that it is the newest
        models[model.name] = model

    _change(add)


def remove(name: str) -> None:
    """Take a model off the list; what was downloaded or found with it stays.

    Raises UnknownModelError, and AssetError where the file cannot be read or written.
    """

    def drop(models: dict[str, AddedModel]) -> None:
        known = models.get(name)
        if known is None or known.removed:
            there = ", ".join(one.name for one in models.values() if not one.removed)
            raise UnknownModelError(
                f"You have added no model called “{name:.60}”; "
                + (f"yours are: {there}." if there else "your list is empty.")
            )
        models[name] = replace(known, removed=True)

    _change(drop)


def _file() -> Path:
    return cache_folder() / "own_models.json"


def _change(change: Callable[[dict[str, AddedModel]], None]) -> None:
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked():
            models = _read(locked=True)
            change(models)
            text = json_text(
                {"format": FORMAT, "models": {name: _written(model) for name, model in models.items()}},
                indent=1,
                ascii_only=False,
            )
            write_whole(path, text + "\n")
    except Timeout as error:
        raise AssetError(
            f"The list of models you added, {path}, is locked by another process. Wait for it to end, and try again."
        ) from error
    except OSError as error:
        raise AssetError(
            f"The list of models you added, {path}, cannot be written ({error.strerror or error}). Fix that, or set "
            "HYDRASCOPE_CACHE to a writable folder."
        ) from error


def _locked() -> FileLock:
    return FileLock(f"{_file()}.lock", timeout=LOCK_SECONDS)


def _read(locked: bool = False) -> dict[str, AddedModel]:
    """Everything in the file, removed ones too. Raises AssetError where it cannot be read; damaged, it is put aside."""
    path = _file()
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise AssetError(
            f"The list of models you added, {path}, cannot be read ({error.strerror or error}). Make it readable."
        ) from error
    try:
        found = json_value(text.decode("utf-8"))
        written_by_newer = isinstance(found["format"], int) and found["format"] > FORMAT
        models = {} if written_by_newer else {name: _model(name, one) for name, one in found["models"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        _put_aside(path, text, locked)
        return {}
    if written_by_newer:
        raise AssetError(
            f"The list of models you added, {path}, was written by a newer version of Hydrascope. Update Hydrascope."
        )
    return models


def _put_aside(path: Path, text: bytes, locked: bool) -> None:
    """Rename a damaged file; if another process has repaired or moved it meanwhile, leave it."""
    try:
        if not locked:
            with _locked():
                _put_aside(path, text, True)
            return
        if path.read_bytes() == text:
            put_aside(path)
    except (OSError, Timeout) as error:
        if isinstance(error, FileNotFoundError):
            return
        why = reason_of(error)
        raise AssetError(
            f"The list of models you added, {path}, is damaged and could not be renamed ({why}). Repair or rename it."
        ) from error


def _written(model: AddedModel) -> dict[str, Any]:
    saes: dict[str, dict[str, str]] = {}
    for layer, source in sorted(model.saes.items()):
        saes[str(layer)] = source._asdict() if isinstance(source, SaeRef) else {"folder": str(source)}
    return {
        "model": model.model_id,
        "revision": model.revision,
        "refusal_tokens": list(model.refusal_tokens),
        "saes": saes,
        "neuronpedia": {str(layer): source for layer, source in sorted(model.neuronpedia.items())},
        "removed": model.removed,
    }


def _model(name: str, one: Mapping[str, Any]) -> AddedModel:
    """Raises ValueError, KeyError, TypeError or AttributeError for what is no model."""
    texts = [name, one["model"], one["revision"] or "", *one["neuronpedia"].values()]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name is not text")
    return AddedModel(
        name,
        one["model"],
        tuple(int(token) for token in one["refusal_tokens"]),
        {int(layer): _source(source) for layer, source in one["saes"].items()},
        {int(layer): source for layer, source in one["neuronpedia"].items()},
        one["revision"],
        one["removed"] is True,
    )


def _source(one: Mapping[str, str]) -> Path | SaeRef:
    return Path(one["folder"]) if "folder" in one else SaeRef(one["release"], one["sae_id"])
