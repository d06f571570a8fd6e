"""What is known of each feature without a network: a label, where it fires, what it promotes.

Knows: the columns of a labels file. Does not know: models, SAEs, pages. A missing file is no trouble: no labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from core.edits import Feature
from core.errors import AssetError

COLUMNS = ("layer", "index", "label", "density", "max_activation", "contexts", "promoted")


@dataclass(frozen=True)
class Context:
    """One place where a feature fires strongly: the text before, the token, the text after, the activation there."""

    before: str
    token: str
    after: str
    activation: float


@dataclass(frozen=True)
class FeatureNote:
    """density: share of sample tokens it is active on. promoted: tokens its decoder row raises the logits of."""

    label: str
    density: float
    max_activation: float
    contexts: tuple[Context, ...]
    promoted: str


@dataclass(frozen=True)
class Labels:
    """All notes of one model, looked up by feature."""

    frame: pd.DataFrame  # indexed by (layer, index)
    texts: Mapping[Feature, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    def label(self, feature: Feature) -> str:
        """The label, or an empty string where there is none."""
        return self.texts.get(feature, "")

    def note(self, feature: Feature) -> FeatureNote | None:
        """Everything known of one feature, or None."""
        if feature not in self.texts:
            return None
        row = self.frame.loc[tuple(feature)]
        return FeatureNote(
            label=self.texts[feature],
            density=float(row["density"]),
            max_activation=float(row["max_activation"]),
            contexts=_contexts(row["contexts"]),
            promoted=str(row["promoted"]),
        )


def no_labels() -> Labels:
    """For a model without a labels file."""
    empty = pd.DataFrame({name: [] for name in COLUMNS}).set_index(["layer", "index"])
    return Labels(empty)


def read_labels(path: Path | None) -> Labels:
    """Read a labels file; none, or none there, gives no labels. Raises AssetError when it cannot be read."""
    if path is None or not path.is_file():
        return no_labels()
    try:
        frame = pd.read_parquet(path)
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}")
        frame = frame.astype({"layer": "int64", "index": "int64"}).drop_duplicates(["layer", "index"])
        found = zip(frame["layer"].tolist(), frame["index"].tolist(), frame["label"].tolist(), strict=True)
        labels = {Feature(layer, index): str(label) for layer, index, label in found}
    except Exception as error:
        raise AssetError(f"The feature labels in {path.name} cannot be read ({error}); restore the file.") from error
    return Labels(frame.set_index(["layer", "index"]), labels)


def _contexts(text: object) -> tuple[Context, ...]:
    """Contexts out of their JSON; what does not read as one is left out, because a label is a help and not a result."""
    try:
        rows = json.loads(str(text))
    except ValueError:
        return ()
    if not isinstance(rows, list):
        return ()
    found = []
    for row in rows:
        if isinstance(row, dict) and "token" in row:
            found.append(
                Context(
                    str(row.get("before", "")),
                    str(row["token"]),
                    str(row.get("after", "")),
                    float(row.get("activation", "nan")),
                )
            )
    return tuple(found)
