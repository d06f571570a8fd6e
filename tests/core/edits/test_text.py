"""How edits are written: numbers, and features where edits are none."""

import pytest

from core import Edits, Feature, InputError
from core.edits.text import Word, read_features


@pytest.mark.parametrize(
    ("typed", "write"),
    [
        ("12-40=0,5", "0.5"),
        ("12-40 = −0,5", "-0.5"),
        ("14-7,12-40*0,5@bos,3-1", "0.5"),
        ("12-40?9-3>2,25", "2.25"),
        ("12-40 × 0,5 at bos", "0.5"),
        ("12-40=1,25?9-3>2", "1.25"),
    ],
)
def test_a_decimal_comma_is_told(typed, write):
    with pytest.raises(InputError, match=f"a comma separates edits. Write {write} for {write.replace('.', ',')}"):
        Edits.from_text(typed)


def test_a_comma_before_another_edit_is_no_decimal_comma():
    assert Edits.from_text("12-40=0,5-3") == Edits.from_text("12-40=0,5/3") == Edits.from_text("12-40=0;5-3")
    assert Edits.from_text("12-40=1,5-3=2").features == (Feature(12, 40), Feature(5, 3))


def test_no_word_holds_a_negative_zero():
    assert str(Word.parse("12-40=-0?9-3>-0")) == "12-40=0.0?9-3>0.0"
    (item,) = Edits.from_text("12-40?9-3>-0")
    assert Edits((item,)).to_text() == "12-40?9-3>0.0"


def test_features_are_read_with_the_separators_of_edits():
    assert read_features("12-40, L14/7;12-40 3:1") == (Feature(12, 40), Feature(14, 7), Feature(3, 1))
    assert read_features("12-40@all") == (Feature(12, 40),) and read_features(" , ") == ()


@pytest.mark.parametrize("typed", ["1-3=6", "1-3=0", "1-3*0.5", "1-3@last", "1-3?0-1>2", "2-5, 1-3 = −100"])
def test_an_edit_is_no_feature(typed):
    with pytest.raises(InputError, match=r"“1-3.*” says how a feature is edited, .* Write 1-3\."):
        read_features(typed)


@pytest.mark.parametrize("typed", ["direction", "refusal direction = 5", "what", "12-40=0,5"])
def test_what_names_no_feature_is_one_plain_error(typed):
    with pytest.raises(InputError, match=r"is not an? "):
        read_features(typed)
