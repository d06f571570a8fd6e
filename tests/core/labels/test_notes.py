"""Feature labels: read when there, no trouble when not."""

import json
import math

import pandas as pd
import pytest

from core import AssetError, Feature
from core.labels.column import LabelColumn
from core.labels.contexts import Context, contexts_from_json, contexts_to_json
from core.labels.notes import COLUMNS, FeatureNote, Labels, read_labels

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


def test_a_column_of_labels_finds_what_is_there_and_nothing_else():
    column = LabelColumn.of([(9, "nine"), (3, "three"), (9, "nine again"), (70000, "far")])
    assert {i: column.label(i) for i in (0, 3, 4, 9, 10, 70000, 70001, -1)} == {
        0: "",
        3: "three",
        4: "",
        9: "nine again",
        10: "",
        70000: "far",
        70001: "",
        -1: "",
    }
    assert LabelColumn.of([]).label(0) == ""


def test_contexts_come_back_equal():
    contexts = (Context("ünder ", "“x”", "", 1.25), Context("", " ", "\n", 0.5))
    assert contexts_from_json(contexts_to_json(contexts)) == contexts


def test_the_first_source_with_a_label_wins_and_else_whoever_knows_anything():
    class One:
        version = 0

        def __init__(self, label):
            self._label = label

        def __len__(self):
            return 1

        def label(self, feature):
            return self._label or ""

        def note(self, feature):
            return None if self._label is None else FeatureNote(self._label, None, None, (), "promotes")

    feature = Feature(1, 1)
    for given, label in (([None, "b"], "b"), (["a", "b"], "a"), (["", "b"], "b"), (["", None], ""), ([None], None)):
        labels = Labels(tuple(map(One, given)))
        assert labels.label(feature) == (label or "")
        assert labels.note(feature) == (None if label is None else One(label).note(feature))


@pytest.mark.parametrize(
    ("column", "value"), [("layer", 1.5), ("index", "x"), ("density", "much"), ("max_activation", [1]), ("layer", None)]
)
def test_a_number_that_is_none_is_said(tmp_path, column, value):
    row = dict(zip(COLUMNS, (4, 7, "a", 0.1, 1.0, "[]", ""), strict=True)) | {column: value}
    pd.DataFrame([row]).to_parquet(tmp_path / "labels.parquet")
    with pytest.raises(AssetError, match="cannot be read"):
        read_labels(tmp_path / "labels.parquet")


def test_what_is_no_text_is_no_label(tmp_path):
    contexts = '[{"token": "x", "activation": "much"}, {"token": "y", "activation": [1]}]'
    rows = [(4, 7, None, 0.1, 1.0, None, None), (4, 8, "b", 0.1, 1.0, contexts, "")]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(tmp_path / "labels.parquet")
    labels = read_labels(tmp_path / "labels.parquet")
    assert labels.label(Feature(4, 7)) == labels.note(Feature(4, 7)).promoted == ""
    assert all(math.isnan(one.activation) for one in labels.note(Feature(4, 8)).contexts)


def test_other_files_in_a_folder_of_labels_are_left_alone(tmp_path):
    (tmp_path / "layer_x.parquet").write_bytes(b"notes of somebody")
    assert len(read_labels(tmp_path)) == 0
