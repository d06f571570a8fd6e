"""A card comes back as it went, from either form, and what is wrong with a file is one sentence."""

import json
import re

import pytest

from core.card.contents import VERSION, card_json, digest_of
from core.card.files import card_bytes
from core.card.page import MARK
from core.card.read import CardError, parse_card, read_card
from core.hydra.as_json import to_json
from tests.cards import made


@pytest.fixture(scope="module")
def card(tiny):
    return made(tiny)


@pytest.fixture(scope="module")
def forms(card):
    return {ending: card_bytes(card, ending) for ending in (".html", ".json")}


@pytest.mark.parametrize("ending", [".html", ".json"])
def test_it_comes_back_as_it_went(card, forms, ending, tmp_path):
    (tmp_path / f"card{ending}").write_bytes(forms[ending])
    found = read_card(tmp_path / f"card{ending}")
    assert to_json(found) == to_json(card)
    assert card_bytes(found, ending) == forms[ending]


def test_line_ends_and_a_byte_order_mark_change_nothing(forms):
    changed = b"\xef\xbb\xbf" + forms[".html"].replace(b"\n", b"\r\n")
    assert parse_card(changed, "card.html") == parse_card(forms[".html"], "card.html")


@pytest.mark.parametrize("ending", [".html", ".json"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_card_cut_short_says_so(forms, ending, share):
    data = forms[ending]
    with pytest.raises(CardError, match="cut short"):
        parse_card(data[: int(share * len(data))].decode("utf-8", "ignore").encode(), f"card{ending}")


def test_a_card_of_a_newer_version_says_so(card):
    newer = card_json(card) | {"version": VERSION + 1, "digest": "of another kind"}
    with pytest.raises(CardError, match=rf"newer Hydrascope \(card version {VERSION + 1}; .* Update"):
        parse_card(json.dumps(newer).encode(), "card.json")


def test_a_number_changed_by_hand_says_so(card):
    held = card_json(card)
    held["card"]["cases"][0]["states"][1]["refusal_score"] += 0.0001
    with pytest.raises(CardError, match="changed after it was made"):
        parse_card(json.dumps(held).encode(), "card.json")


def test_a_number_changed_in_the_page_or_in_its_data_says_so(forms):
    text = forms[".html"].decode()
    shown = re.search(r"<b>([+−]?\d+\.\d\d)</b>", text)
    in_page = text[: shown.start(1)] + "−99.99" + text[shown.end(1) :]
    with pytest.raises(CardError, match=r"page .* was changed"):
        parse_card(in_page.encode(), "card.html")
    in_data = re.sub(r'"refusal_score":[^,]+', '"refusal_score":-99.99', text, count=1)
    assert in_data != text
    with pytest.raises(CardError, match="A number or a text"):
        parse_card(in_data.encode(), "card.html")


def with_digest(held):
    return held | {"digest": digest_of(held["card"])}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a card"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"[]", "not a card"),
        (b'{"a": 1}', "not a card"),
        (b"[" * 100_000, "not a card"),
        (b"<html></html>", "not a Hydrascope card"),
        (MARK.encode(), "not a card|cut short"),
    ],
)
def test_another_file_is_one_sentence(data, says):
    with pytest.raises(CardError, match=says) as error:
        parse_card(data, "some.file")
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda held: held["card"].pop("source"), "lacks “source”"),
        (lambda held: held["card"]["cases"][0]["states"][0].update(refusal_score="high"), "“refusal_score”"),
        (lambda held: held["card"].update(cases=[]), "without measurements"),
        (lambda held: held["card"]["source"].update(saes=5), "“saes” is no list"),
    ],
)
def test_contents_that_make_no_sense_are_one_sentence(card, change, says):
    held = json.loads(json.dumps(card_json(card)))
    change(held)
    with pytest.raises(CardError, match=says):
        parse_card(json.dumps(with_digest(held)).encode(), "card.json")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CardError, match="cannot be read"):
        read_card(tmp_path / "nothing.html")
