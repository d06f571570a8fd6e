"""Feature labels: read when there, no trouble when not."""

import json

import pandas as pd
import pytest

from core import AssetError, Feature
from core.labels import COLUMNS, read_labels

CONTEXTS = json.dumps([{"before": "how to ", "token": "kill", "after": " a", "activation": 3.5}, {"after": "no token"}])


@pytest.fixture
def path(tmp_path):
    rows = [(4, 7, "kill → I, sorry", 0.01, 9.5, CONTEXTS, "I, sorry"), (4, 8, "plain", 0.2, 1.0, "not json", "")]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(tmp_path / "labels.parquet")
    return tmp_path / "labels.parquet"


def test_a_note_holds_everything_known(path):
    labels = read_labels(path)
    note = labels.note(Feature(4, 7))
    assert labels.label(Feature(4, 7)) == note.label == "kill → I, sorry"
    assert (note.density, note.max_activation, note.promoted) == (0.01, 9.5, "I, sorry")
    (context,) = note.contexts
    assert (context.before, context.token, context.after, context.activation) == ("how to ", "kill", " a", 3.5)


def test_contexts_that_cannot_be_read_are_left_out(path):
    assert read_labels(path).note(Feature(4, 8)).contexts == ()


def test_an_unknown_feature_has_no_note(path):
    assert read_labels(path).note(Feature(9, 9)) is None and read_labels(path).label(Feature(9, 9)) == ""


def test_no_file_is_no_labels(tmp_path):
    for missing in (None, tmp_path / "nothing.parquet"):
        labels = read_labels(missing)
        assert len(labels) == 0 and labels.note(Feature(1, 1)) is None


@pytest.mark.parametrize("content", [b"garbage", b""])
def test_a_garbled_file_is_an_asset_error(tmp_path, content):
    (tmp_path / "labels.parquet").write_bytes(content)
    with pytest.raises(AssetError, match=r"labels\.parquet"):
        read_labels(tmp_path / "labels.parquet")


def test_a_missing_column_is_named(tmp_path):
    pd.DataFrame({"layer": [1], "index": [2]}).to_parquet(tmp_path / "labels.parquet")
    with pytest.raises(AssetError, match="label"):
        read_labels(tmp_path / "labels.parquet")
