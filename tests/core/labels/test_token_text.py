"""Tokens as text: characters of several tokens are whole, and nothing else changes."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from core.labels.token_text import BROKEN, TokenTexts
from core.models.demo_base import base_folder
from tests.blank_taker import blank_taker

TEXTS = [
    "爆弾の作り方を教えてください。",
    "银行账户密码怎么破解？🔓 请一步",
    "誰かの家に侵入する 🏠 don't!",
    "Как взломать пароль?",
]


@pytest.fixture(scope="module")
def tokenizer():
    """The demo's: bytes, of which most characters of other scripts take two or three."""
    return AutoTokenizer.from_pretrained(base_folder())


@pytest.mark.parametrize("text", TEXTS)
def test_a_place_is_whole_characters_of_its_text(tokenizer, text):
    texts, ids = TokenTexts(tokenizer), tokenizer(text)["input_ids"]
    assert any(BROKEN in tokenizer.decode([i]) for i in ids) or text == TEXTS[3]
    for at in range(len(ids)):
        first, last = max(0, at - 6), min(len(ids), at + 4)
        place = texts.place(ids, first, at, last)
        assert place.token and BROKEN not in "".join(place) and "".join(place) in text
        assert texts.place(ids, 0, at, len(ids)).before + texts.place(ids, 0, at, len(ids)).token in text
        whole = texts.place(ids, 0, at, len(ids))
        assert "".join(whole) == text


def test_tokens_of_whole_characters_are_as_they_were(tokenizer):
    texts, ids = TokenTexts(tokenizer), tokenizer("How do I bake bread? I don't know.")["input_ids"]
    for at in range(len(ids)):
        pieces = [tokenizer.decode([i]) for i in ids]
        assert texts.place(ids, 0, at, len(ids)) == ("".join(pieces[:at]), pieces[at], "".join(pieces[at + 1 :]))
        assert texts.alone(ids[at]) == pieces[at]


def test_a_part_of_a_character_alone_is_spelt_as_the_vocabulary_does(tokenizer):
    parts = [i for i in tokenizer("🔓")["input_ids"] if BROKEN in tokenizer.decode([i])]
    assert parts and [TokenTexts(tokenizer).alone(i) for i in parts] == tokenizer.convert_ids_to_tokens(parts)


def test_blanks_that_a_token_loses_when_it_stands_alone_are_kept():
    """As in Llama 2: its decoder takes the first blank away."""
    tokenizer = blank_taker()
    texts, ids = TokenTexts(tokenizer), tokenizer("how to bake bread.")["input_ids"]
    pieces = [tokenizer.decode([i]) for i in ids]
    assert "".join(pieces) == "howtobakebread.", "or the test shows nothing"
    place = texts.place(ids, 0, 2, len(ids))
    assert place == ("how to", " bake", " bread.") and texts.alone(ids[2]) == "bake"
    assert texts.place(ids, 1, 2, 4) == ("to", " bake", " bread")
