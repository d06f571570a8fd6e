"""Conversations as ids: the template once, both sides, the prefix taken off, the same from the same seed."""

import pytest

from core.errors import InputError
from core.training.chats import compose, conversation_ids, fixed_prefix, request_ids
from tests.core.training.conftest import PAIRS


def test_the_prefix_is_what_every_conversation_begins_with(tokenizer) -> None:
    prefix = fixed_prefix(tokenizer)
    assert tokenizer.decode(prefix) == "<|start|>user\n"
    for pair in PAIRS:
        assert tuple(conversation_ids(tokenizer, [pair])[: len(prefix)]) == prefix


def test_both_sides_stand_in_it(tokenizer) -> None:
    text = tokenizer.decode(conversation_ids(tokenizer, [("a", "b"), ("c", "d")]))
    assert text == (
        "<|start|>user\na<|end|>\n<|start|>assistant\nb<|end|>\n<|start|>user\nc<|end|>\n<|start|>assistant\nd<|end|>\n"
    )


def test_a_request_ends_where_its_answer_begins(tokenizer) -> None:
    assert tokenizer.decode(request_ids(tokenizer, "a")).endswith("<|end|>\n<|start|>assistant\n")


def test_composed_to_the_wanted_length_and_cut(tokenizer) -> None:
    chats = compose(tokenizer, PAIRS, 1000, longest=40, most_requests=3, seed=1)
    assert 1000 <= chats.tokens < 1040
    assert max(map(len, chats.rows)) == 40


def test_the_same_seed_gives_the_same_and_another_gives_another(tokenizer) -> None:
    one, same, other = (compose(tokenizer, PAIRS, 500, longest=60, most_requests=2, seed=s) for s in (1, 1, 2))
    assert one == same and one.digest == same.digest
    assert one.digest != other.digest


def test_every_pair_comes_before_any_comes_twice(tokenizer) -> None:
    chats = compose(tokenizer, PAIRS, 12 * 200, longest=200, most_requests=1, seed=3)
    first = [tokenizer.decode(row) for row in chats.rows[:12]]
    assert len(set(first)) == 12


def test_without_pairs_or_a_template_there_is_one_sentence(tokenizer) -> None:
    with pytest.raises(InputError, match="more prompts"):
        compose(tokenizer, [], 10, longest=10, most_requests=1, seed=0)
    from tests.conftest import make_tokenizer

    bare = make_tokenizer()
    bare.chat_template = None
    with pytest.raises(InputError, match="no chat template"):
        compose(bare, PAIRS, 10, longest=10, most_requests=1, seed=0)
