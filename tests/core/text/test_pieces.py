"""Tokens as people read them."""

from core.text.pieces import pieces_text


def test_blanks_around_a_token_go_and_a_blank_token_stays():
    assert pieces_text([" I"]) == "I" and pieces_text([" Sorry", "I"]) == "Sorry · I"
    assert pieces_text([" ", "I"]) == "  · I"
