"""What is known of each feature: a label, where it fires, what it promotes, and who says so.

Knows: notes, the columns of a labels file, the order in which sources are asked. Does not know: models, SAEs, networks,
stores, pages. A missing file is no trouble: no labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import pandas as pd
import pyarrow.parquet as pq

from core.edits.edits import Feature
from core.errors import AssetError
from core.labels.column import LabelColumn
from core.labels.contexts import Context, contexts_from_json
from core.labels.origins import MADE_OF, left_out_sentence
from core.labels.source_texts import SOURCE_TEXTS, MadeFrom, Origin, from_metadata
from core.shipped_files import check_shipped
from core.text.reasons import reason_of

COLUMNS = ("layer", "index", "label", "density", "max_activation", "contexts", "promoted")


@dataclass(frozen=True)
class FeatureNote:
    """density: share of sample tokens it is active on. promoted: tokens its decoder row raises the logits of.

    label: empty where only the rest is known. density, max_activation: None where they are not known. suppressed:
    tokens it lowers the logits of. origin: who says so; about: what it was made from, or the explaining model, in
    words; link: the feature's page, empty without one.
    """

    label: str
    density: float | None
    max_activation: float | None
    contexts: tuple[Context, ...]
    promoted: str
    suppressed: str = ""
    origin: Origin = "shipped"
    about: str = ""
    link: str = ""


class NoteSource(Protocol):
    """Notes of one origin. `version` changes whenever a label may have changed."""

    @property
    def version(self) -> int: ...
    def __len__(self) -> int: ...
    def label(self, feature: Feature) -> str: ...
    def note(self, feature: Feature) -> FeatureNote | None: ...
    def made_from(self, layer: int) -> MadeFrom: ...


@dataclass(frozen=True)
class Labels:
    """All that is known of one model's features. sources: asked in this order; the first that has a label wins."""

    sources: tuple[NoteSource, ...] = ()

    def __len__(self) -> int:
        """How many labels the sources have; those that several have are counted in each."""
        return sum(map(len, self.sources))

    @property
    def version(self) -> tuple[int, ...]:
        """Another value whenever a label may have changed: what was computed with labels is kept under it."""
        return tuple(source.version for source in self.sources)

    @property
    def left_out(self) -> str:
        """Which labels made here are not shown, and why; empty where all are."""
        return " ".join(filter(None, (one.left_out for one in self.sources if isinstance(one, MadeNotes))))

    def label(self, feature: Feature) -> str:
        """The label, or an empty string where there is none."""
        return next(filter(None, (source.label(feature) for source in self.sources)), "")

    def note(self, feature: Feature) -> FeatureNote | None:
        """What the first source with a label knows of it; without any label, what anybody knows, or None."""
        notes = [note for source in self.sources if (note := source.note(feature)) is not None]
        return next((note for note in notes if note.label), notes[0] if notes else None)

    def made_from(self, feature: Feature) -> MadeFrom | None:
        """What its label was made from; None where it has none."""
        return next((source.made_from(feature.layer) for source in self.sources if source.label(feature)), None)


@dataclass(frozen=True)
class ShippedNotes:
    """Notes that come in one file, all in memory: for a model with thousands of features, not millions."""

    frame: pd.DataFrame  # indexed by (layer, index)
    texts: Mapping[Feature, str] = field(default_factory=dict)
    version: int = 0

    def __len__(self) -> int:
        return len(self.frame)

    def label(self, feature: Feature) -> str:
        """The label, or an empty string where there is none."""
        return self.texts.get(feature, "")

    def note(self, feature: Feature) -> FeatureNote | None:
        """Everything known of one feature, or None."""
        if feature not in self.texts:
            return None
        return _note(self.frame.loc[tuple(feature)].to_dict() | {"label": self.texts[feature]}, "shipped")

    def made_from(self, layer: int) -> MadeFrom:
        """Shipped files do not list their texts."""
        return MadeFrom("shipped")


def made_file(folder: Path, layer: int) -> Path:
    """Where the labels made for a layer lie."""
    return folder / f"layer_{layer}.parquet"


class MadeNotes:
    """Notes made on this machine, a file a layer (`core.labels.making`); only labels that were asked for are in memory.

    origins: layer → of which model and SAE its labels have to be (`core.labels.origins`). Those of others, and those of
    earlier versions, which did not note it, are as good as none. A layer's file is looked at again whenever it was
    replaced. Raises AssetError when one cannot be read.
    """

    def __init__(self, folder: Path, origins: Mapping[int, str]) -> None:
        self._origins = dict(origins)
        self._files = {layer: made_file(folder, layer) for layer in sorted(origins)}
        self._told: dict[Path, tuple[int, Mapping[bytes, bytes]]] = {}
        self._columns: dict[Path, tuple[int, LabelColumn]] = {}

    @property
    def version(self) -> int:
        return hash(tuple(self._time(path) for path in self._files.values()))

    def __len__(self) -> int:
        count = 0
        for layer, path in self._files.items():
            if self._fits(layer):
                with _reading(path):
                    count += pq.read_metadata(path).num_rows
        return count

    @property
    def left_out(self) -> str:
        """Which layers' labels are not shown, and why; empty where all are."""
        others, unknown = list[int](), list[int]()
        for layer, path in self._files.items():
            with suppress(AssetError):  # whoever asks for its labels hears of a damaged file
                if path.is_file() and not self._fits(layer):
                    (others if MADE_OF in self._facts(path) else unknown).append(layer)
        return left_out_sentence(others, unknown)

    def label(self, feature: Feature) -> str:
        if not self._fits(feature.layer):
            return ""
        path = self._files[feature.layer]
        known, written = self._columns.get(path), self._time(path)
        if known is None or known[0] != written:
            with _reading(path):
                table = pq.read_table(path, columns=["index", "label"], page_checksum_verification=True)
            known = written, LabelColumn.of(zip(*(column.to_pylist() for column in table.columns), strict=True))
            self._columns[path] = known
        return known[1].label(feature.index)

    def note(self, feature: Feature) -> FeatureNote | None:
        if not self._fits(feature.layer):
            return None
        path = self._files[feature.layer]
        with _reading(path):
            rows = pq.read_table(
                path, filters=[("index", "=", feature.index)], page_checksum_verification=True
            ).to_pylist()
        about = self._facts(path).get(b"about", b"").decode(errors="replace")
        return _note(rows[0], "made here", about) if rows else None

    def made_from(self, layer: int) -> MadeFrom:
        """The texts that a layer's file lists; files of earlier versions list none."""
        kept = self._facts(self._files[layer]).get(SOURCE_TEXTS) if self._fits(layer) else None
        return MadeFrom("made here", from_metadata(kept))

    def _fits(self, layer: int) -> bool:
        """Whether there are labels of this layer, and of just this model and SAE."""
        path = self._files.get(layer)
        if path is None or not path.is_file():
            return False
        return self._facts(path).get(MADE_OF) == self._origins[layer].encode()

    def _facts(self, path: Path) -> Mapping[bytes, bytes]:
        """What a file says of itself."""
        known, written = self._told.get(path), self._time(path)
        if known is None or known[0] != written:
            with _reading(path):
                known = written, pq.read_schema(path).metadata or {}
            self._told[path] = known
        return known[1]

    @staticmethod
    def _time(path: Path) -> int:
        return path.stat().st_mtime_ns if path.is_file() else 0


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns whatever a labels file raises while it is read into an AssetError that names it."""
    check_shipped(path)
    try:
        yield
    except Exception as error:
        why = reason_of(error)
        raise AssetError(
            f"The feature labels in {path.name} cannot be read ({why}). Restore the file, or make the labels again."
        ) from error


def no_labels() -> Labels:
    """For a model nothing is known of."""
    return Labels()


def read_labels(path: Path | None, origins: Mapping[int, str] = MappingProxyType({})) -> Labels:
    """Read a shipped labels file, or a folder of files that were made here, one a layer; none, or none there, gives no
    labels. origins: as of `MadeNotes`; a layer that is not named has none. Raises AssetError when it cannot be read.
    """
    if path is not None and path.is_dir():
        return Labels((MadeNotes(path, origins),))
    if path is None or not path.is_file():
        return no_labels()
    with _reading(path):
        frame = pd.read_parquet(path)
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}")
        frame = _typed(frame).drop_duplicates(["layer", "index"])
        found = zip(frame["layer"].tolist(), frame["index"].tolist(), frame["label"].tolist(), strict=True)
        labels = {Feature(layer, index): str(label) for layer, index, label in found}
    return Labels((ShippedNotes(frame.set_index(["layer", "index"]), labels),))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns in their kinds; what is no text is an empty one. Raises ValueError, TypeError."""
    found = frame.astype({"layer": "int64", "index": "int64", "density": "float64", "max_activation": "float64"})
    for name in ("layer", "index"):
        if not (found[name] == frame[name]).all():
            raise ValueError(f"a number under “{name}” is not whole")
    for name in ("label", "contexts", "promoted"):
        found[name] = [text if isinstance(text, str) else "" for text in frame[name]]
    return found


def _note(row: Mapping[str, object], origin: Origin, about: str = "") -> FeatureNote:
    """From a row of a labels file."""
    return FeatureNote(
        label=str(row["label"]),
        density=float(str(row["density"])),
        max_activation=float(str(row["max_activation"])),
        contexts=contexts_from_json(row["contexts"]),
        promoted=str(row["promoted"]),
        origin=origin,
        about=about,
    )
