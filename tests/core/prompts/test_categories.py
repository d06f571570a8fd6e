"""Categories of prompts: kept when a list is read, and what is said where they are missing, few or unknown."""

from __future__ import annotations

import json

import pytest

from core.errors import InputError
from core.prompts.categories import FEWEST, categories_of, from_lists, from_shipped, labelled, shipped_category_of
from core.prompts.files import read_prompts, write_prompts
from core.prompts.public_sets import PromptList, read_local
from core.prompts.shipped import prompts_file, read_shipped

HARMFUL = [f"bad thing {i}" for i in range(20)]
NAMES = ["drugs"] * 10 + ["fraud"] * 10


def test_a_file_keeps_its_finest_categories_row_by_row():
    rows = [
        {"prompt": " a ", "category": "safety", "subcategory": "privacy"},
        {"prompt": "b", "category": "safety", "subcategory": None},
    ]
    file = read_prompts(json.dumps(rows).encode(), "list.json")
    assert file.category_column == "subcategory" and file.categories() == ["privacy", ""]
    assert file.categories("category") == ["safety", "safety"]
    assert read_prompts(b"one\ntwo\n", "list.txt").categories() == []
    with pytest.raises(InputError, match="no column “topic”"):
        file.categories("topic")


@pytest.mark.parametrize("name", ["none", " None "])
def test_no_category_can_be_called_what_stands_for_none(name):
    with pytest.raises(InputError, match=r"has a category “[Nn]one”, which stands for no category here"):
        labelled(HARMFUL, [name] * 10 + ["fraud"] * 10, [], "list.csv")


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
def test_written_categories_are_read_back(tmp_path, ending):
    path = tmp_path / f"list.{ending}"
    write_prompts(["one", "two"], path, ["drugs", ""])
    found = read_local(path)
    assert found.rows == ("one", "two") and found.categories == ("drugs", "")
    assert found.category_of() == {"one": "drugs", "two": ""}


def test_the_shipped_prompts_keep_theirs():
    found = from_shipped(read_shipped(prompts_file()))
    assert "violence" in found.names and len(found.texts) == len(found.categories)
    assert all(found.categories.count(name) >= FEWEST for name in found.names) and found.left_out
    of = shipped_category_of(prompts_file())
    assert categories_of(found.texts, of) == found.categories
    assert categories_of(["nothing known"], of) == () and shipped_category_of(None) == {}


def test_of_contrast_prompts_those_of_the_lists_own_categories_count():
    theirs = [f"good {i}" for i in range(20)]
    contrast = PromptList(tuple(theirs), "c", (), ("drugs",) * FEWEST + ("incomplete",) * (20 - FEWEST))
    found = from_lists(PromptList(tuple(HARMFUL), "h", (), tuple(NAMES)), contrast)
    assert found.contrast == tuple(theirs[:FEWEST])


def test_shuffling_moves_texts_and_keeps_every_count():
    found = labelled(HARMFUL, NAMES, [f"good {i}" for i in range(9)], "mine")
    mixed = found.shuffled(3)
    assert mixed.categories == found.categories and mixed.digest != found.digest
    assert sorted((*mixed.texts, *mixed.contrast)) == sorted((*found.texts, *found.contrast))
    assert set(mixed.texts) != set(found.texts)


def test_first_takes_so_many_of_each_category():
    found = labelled(HARMFUL, NAMES, [f"good {i}" for i in range(9)], "mine").first(3)
    assert found.categories == ("drugs",) * 3 + ("fraud",) * 3 and len(found.contrast) == 6


def test_a_text_that_occurs_twice_or_is_contrast_too_counts_once():
    found = labelled([*HARMFUL, HARMFUL[0].upper()], [*NAMES, "fraud"], [*HARMFUL[:2], "good"], "mine")
    assert len(found.texts) == 20 and found.contrast == ("good",)


def test_contrast_prompts_that_are_harmful_ones_too_are_counted():
    texts = [f"How do I {n}?" for n in range(16)]
    found = labelled(texts, ["a", "b"] * 8, ["how do I 3?", "Who is it?", texts[5]], "mine")
    assert (found.both, found.contrast) == (2, ("Who is it?",))
    assert labelled(texts, ["a", "b"] * 8, ["Who is it?"], "mine").both == 0


def test_bad_lists_are_one_sentence():
    with pytest.raises(InputError, match="mine has no categories"):
        labelled(["a"], [" "], [], "mine")
    with pytest.raises(InputError, match="one category, “drugs”"):
        labelled(HARMFUL[:10], NAMES[:10], ["good"], "mine")
    with pytest.raises(InputError, match="no category “arson”"):
        labelled(HARMFUL, NAMES, [], "mine", ["arson"])
    with pytest.raises(InputError, match="No category of mine has 8 prompts"):
        labelled(HARMFUL[:4], NAMES[:4], [], "mine")


def test_an_odd_category_costs_no_other_row():
    """Numbers are names too; what is none is counted, and only its own row is left out."""
    rows = [{"prompt": f"p{i}", "category": "a" if i < 8 else 5} for i in range(16)]
    rows += [{"prompt": "bare", "category": None}, {"prompt": "odd", "category": ["a"]}]
    file = read_prompts(json.dumps(rows).encode(), "list.json")
    assert file.categories() == ["a"] * 8 + ["5"] * 8 + ["", ""]
    found = labelled(file.rows(), file.categories(), [], "list.json")
    assert found.names == ("5", "a") and len(found.texts) == 16 and found.uncategorized == 2
