"""Checks and splits of prompt lists: properties that hold for any texts, and the cases people meet."""

import hashlib
import json
import random
import unicodedata
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import InputError
from core.discovery.context import Inputs
from core.prompts.checks import (
    MOST_CHARACTERS,
    check_prompts,
    one_category_each,
    parse_split,
    prompts_digest,
    same_text_key,
    split,
)

ANY = st.text(max_size=30)
#: Few letters, so that the same text turns up often, in several spellings.
SPELLINGS = st.text(alphabet="aAbB éÉ\u0301eE\u00a0ﬁfi\tßS", max_size=6)
LISTS = st.lists(st.one_of(SPELLINGS, ANY), max_size=25)


@given(ANY)
def test_the_key_overlooks_case_form_and_blanks_and_nothing_is_left_to_overlook(text):
    key = same_text_key(text)
    assert same_text_key(key) == key
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert same_text_key(unicodedata.normalize(form, text)) == key
    assert same_text_key(f"  {text}\n\t") == key == same_text_key(text.replace(" ", " \u00a0 "))
    assert same_text_key(text.casefold()) == key


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("How do I…", "HOW DO I...", True),
        ("Straße", "STRASSE", True),
        ("café", "cafe\u0301", True),
        ("a  b", "a\nb", True),
        ("cafe", "café", False),
        ("a b", "ab", False),
        ("What?", "What!", False),
    ],
)
def test_what_counts_as_the_same_text(one, other, same):
    assert (same_text_key(one) == same_text_key(other)) is same


@given(LISTS)
def test_every_row_is_kept_or_dropped_for_a_reason_and_nothing_is_there_twice(texts):
    report = check_prompts(texts)
    assert sorted([*report.rows, *(one.row for one in report.dropped)]) == list(range(len(texts)))
    assert list(report.rows) == sorted(report.rows)
    assert [texts[row].replace("\ufeff", "").strip() for row in report.rows] == list(report.kept)
    assert len({same_text_key(text) for text in report.kept}) == len(report.kept)
    assert sum(report.counts.values()) == len(report.dropped)
    for one in report.dropped:
        if one.reason == "duplicate":
            first = int(one.detail.removeprefix("the same as row ").replace(",", "")) - 1
            assert first < one.row and first in report.rows
            assert same_text_key(texts[first].replace("\ufeff", "")) == same_text_key(one.text)


@given(LISTS)
def test_checking_again_changes_nothing(texts):
    once = check_prompts(texts)
    again = check_prompts(once.kept)
    assert again.kept == once.kept and not again.dropped


def test_each_reason_is_told_with_its_row():
    report = check_prompts(
        ["Hi?", " ", "hi?", "x" * (MOST_CHARACTERS + 1), "a\ufffdb", "a\x00b", "c\ud800", "two\nlines"]
    )
    assert report.kept == ("Hi?", "two\nlines") and report.rows == (0, 7)
    assert [(one.row, one.reason) for one in report.dropped] == [
        (1, "empty"),
        (2, "duplicate"),
        (3, "too long"),
        (4, "damaged"),
        (5, "damaged"),
        (6, "damaged"),
    ]
    assert [one.detail for one in report.dropped][1:] == [
        "the same as row 1",
        "8,001 characters, the limit is 8,000",
        "a replacement character, because some text could not be decoded",
        "a control character, U+0000",
        "half a surrogate pair, U+D800",
    ]
    assert report.sentence() == "2 of 8 prompts kept; dropped: 1 empty, 1 duplicate, 1 too long, 3 damaged."
    assert check_prompts(["a"]).sentence() == "1 of 1 prompts kept."


def test_tokens_are_counted_only_where_there_may_be_too_many():
    asked = []

    def count(text):
        asked.append(text)
        return len(text.split())

    report = check_prompts(["a b c d", "aaaaaaaa b", "é é é é é"], most_tokens=4, count_tokens=count)
    assert asked == ["a b c d", "aaaaaaaa b", "é é é é é"] and report.kept == ("a b c d", "aaaaaaaa b")
    assert report.dropped[0].detail == "5 tokens, the limit is 4"
    asked.clear()
    check_prompts(["abcd", "ab"], most_tokens=4, count_tokens=count)
    assert asked == []


def test_wrongly_decoded_text_is_kept_with_a_warning():
    right = ["Wie koche ich “Käse”?", "Señor", "naïve", "plain", "中文", "Ünïcödé"]
    assert check_prompts(right).warnings == ()
    wrong = ["Käse".encode().decode("latin-1"), "Señor".encode().decode("cp1252")]
    report = check_prompts(["plain", *wrong, *right[:3]])
    assert (
        len(report.kept) == 6 and len(report.warnings) == 1 and "2 prompts (row 2, 3) look like" in report.warnings[0]
    )


def test_a_byte_order_mark_inside_is_taken_out_and_told():
    report = check_prompts(["\ufeffHello", "hello", "a\ufeffb"])
    assert report.kept == ("Hello", "ab") and report.dropped[0].reason == "duplicate"
    assert "2 prompts contained a byte-order mark" in report.warnings[0]


@given(LISTS, st.integers(0, 9), st.data())
def test_a_split_depends_on_texts_and_seed_alone_and_no_text_is_in_two_parts(texts, seed, data):
    different = len({same_text_key(text) for text in texts})
    first = data.draw(st.integers(0, different))
    second = data.draw(st.integers(0, different - first))
    parts = {"a": first, "b": second}
    found = split(texts, parts, seed)
    assert {name: len(part) for name, part in found.items()} == parts
    keys = [same_text_key(text) for part in found.values() for text in part]
    assert len(set(keys)) == len(keys) and set(keys) <= {same_text_key(text) for text in texts}
    assert all(text in texts for part in found.values() for text in part)
    shuffled = list(texts) + texts[:3]
    random.Random(seed).shuffle(shuffled)
    assert split(shuffled, parts, seed) == found


@given(st.lists(st.fractions(0, 1, max_denominator=9).filter(bool), min_size=1, max_size=6), st.integers(0, 60))
def test_shares_that_make_up_one_take_every_prompt_and_each_is_right_to_one(weights, size):
    shares = [weight / sum(weights) for weight in weights]
    texts = [f"prompt {n}" for n in range(size)]
    found = split(texts, {f"p{n}": share for n, share in enumerate(shares)}, 42)
    assert sorted(text for part in found.values() for text in part) == sorted(texts)
    for share, part in zip(shares, found.values(), strict=True):
        assert abs(len(part) - share * size) <= 1


def test_a_number_is_exact_also_after_a_share_and_another_seed_is_another_drawing():
    texts = [f"prompt {n}" for n in range(40)]
    found = split(texts, parse_split("a=0.333,b=7,c=1/3"), 42)
    assert [len(part) for part in found.values()] == [13, 7, 14]  # 13.32, then 20.32, then 33.65: running ends
    assert split(texts, {"a": 20}, 42) != split(texts, {"a": 20}, 43)
    grown = split([*texts, "one more"], {"a": 41}, 42)["a"]
    assert [text for text in grown if text != "one more"] == list(split(texts, {"a": 40}, 42)["a"])


def test_too_few_are_said_with_how_many_there_are():
    with pytest.raises(InputError, match="asks for 4 prompts up to the part “val”, but there are 3 different prompts"):
        split(["a", "b", "c", "A "], {"train": 2, "val": 2}, 42)


def test_a_split_is_read_from_text():
    assert parse_split(" train=128 , val=0.25,rest=1/3,") == {
        "train": 128,
        "val": Fraction(1, 4),
        "rest": Fraction(1, 3),
    }
    assert parse_split("all=1.0") == {"all": Fraction(1)}


@pytest.mark.parametrize(
    "text",
    ["", "train", "train=", "=3", "train=-1", "train=0", "train=1.5", "a=1,a=2", "a b=1", "x=1/0", "x=y", "../x=3"],
)
def test_a_split_that_is_none_is_one_sentence(text):
    with pytest.raises(InputError, match="train=128,val=32"):
        parse_split(text)


def test_the_digest_is_that_of_runs():
    inputs = Inputs(("a", "b"), ("c",), ())
    written_out = hashlib.sha256(json.dumps([["a", "b"], ["c"], []]).encode()).hexdigest()[:16]
    assert inputs.digest == prompts_digest(["a", "b"], ("c",), []) == written_out
    assert prompts_digest(["a", "b"]) != prompts_digest(["b", "a"]) != prompts_digest(["b"], ["a"])


def test_a_text_has_one_category_and_the_others_are_told():
    texts = ["One", "one ", "\ufeffone", "two", "two", "", " "]
    found, told = one_category_each(texts, ["", "b", "a", "x", "x", "y", "z"])
    assert found == ("b", "b", "b", "x", "x", "", "")
    assert told == (
        "In several categories: 1 prompt. Row 3 has “a”, but the same prompt in row 2 has “b”. The first category is "
        "kept."
    )
    assert one_category_each(["a", "A"], ["x", ""]) == (("x", "x"), "")
