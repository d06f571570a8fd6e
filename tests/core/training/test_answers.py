"""Answers: the greedy ones are transformers' own, row by row; made ones are kept; a stopped run goes on."""

import zlib

import pytest
import torch

from core.errors import Cancelled
from core.text.json_text import json_text
from core.training.answers import answer_prompts, generate_batch, read_answers
from core.training.chats import request_ids
from tests.core.training.conftest import StopsAfter

PROMPTS = ["Tell me a story.", "How do I bake bread?", "I", "Tell me a story about a small town, please."]


def test_batched_answers_equal_those_of_one_prompt_alone(plain, tokenizer, tmp_path) -> None:
    pairs = answer_prompts(plain, tokenizer, PROMPTS, tmp_path / "a.jsonl", weights="own", new_tokens=8, batch=3)
    assert [text for text, _ in pairs] == PROMPTS
    for text, answer in pairs:
        ids = torch.tensor([request_ids(tokenizer, text)])
        alone = plain.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=1)
        assert answer == tokenizer.decode(alone[0, ids.shape[1] :], skip_special_tokens=True)


def test_what_was_made_is_not_made_again(plain, tokenizer, tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    first = answer_prompts(plain, tokenizer, PROMPTS, path, weights="own", new_tokens=4)
    assert answer_prompts(None, tokenizer, PROMPTS, path, weights="own", new_tokens=4) == first


def test_a_stopped_run_goes_on_and_ends_the_same(plain, tokenizer, tmp_path) -> None:
    whole = answer_prompts(
        plain, tokenizer, PROMPTS, tmp_path / "a.jsonl", weights="own", new_tokens=4, number=1, batch=1
    )
    path = tmp_path / "b.jsonl"
    with pytest.raises(Cancelled):
        answer_prompts(
            plain, tokenizer, PROMPTS, path, weights="own", new_tokens=4, number=1, batch=1, cancelled=StopsAfter(2)
        )
    assert len(read_answers(path)) == 2
    path.write_text(path.read_text()[:-5])  # as a kill in the middle of a line leaves it
    assert answer_prompts(plain, tokenizer, PROMPTS, path, weights="own", new_tokens=4, number=1, batch=1) == whole


def test_sampled_answers_are_kept_beside_the_greedy_ones(plain, tokenizer, tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    greedy = answer_prompts(plain, tokenizer, PROMPTS, path, weights="own", new_tokens=8)
    sampled = answer_prompts(plain, tokenizer, PROMPTS, path, weights="own", new_tokens=8, number=1, temperature=5.0)
    assert greedy != sampled
    assert len(read_answers(path)) == 2 * len(PROMPTS)


def test_the_head_reads_a_contiguous_tensor_and_is_left_as_it_was(plain, tokenizer) -> None:
    read: list[bool] = []
    head = plain.get_output_embeddings()
    before = len(head._forward_pre_hooks)
    watch = head.register_forward_hook(lambda _module, args, _output: read.append(args[0].is_contiguous()))
    try:
        generate_batch(plain, tokenizer, PROMPTS, 3)
    finally:
        watch.remove()
    assert len(read) == 3 and all(read)
    assert len(head._forward_pre_hooks) == before


@pytest.mark.parametrize(
    "line", [b"7", b"[1, 2]", b"null", b"\xff\xfe", b"\0" * 40, b'["a", 0, "b", 1]', b'[["a"], 0, "b"]']
)
def test_a_line_that_is_not_what_was_written_is_answered_again(plain, tokenizer, tmp_path, line) -> None:
    path = tmp_path / "a.jsonl"
    first = answer_prompts(plain, tokenizer, PROMPTS, path, weights="own", new_tokens=4)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([line, *lines[1:]]) + b"\n")
    assert len(read_answers(path)) == len(lines) - 1
    assert answer_prompts(plain, tokenizer, PROMPTS, path, weights="own", new_tokens=4) == first


def test_an_answer_that_changed_on_the_disk_is_given_again(plain, tokenizer, tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    first = answer_prompts(plain, tokenizer, PROMPTS, path, weights="own", new_tokens=4)
    path.write_bytes(path.read_bytes().replace(PROMPTS[0].encode(), PROMPTS[0].swapcase().encode()))
    assert answer_prompts(plain, tokenizer, PROMPTS, path, weights="own", new_tokens=4) == first


@pytest.mark.parametrize("line", ['["I", 0, "an old answer"]', '["I", 0, "an old answer", 3240758501]'])
def test_answers_of_earlier_versions_which_did_not_note_what_made_them_are_given_again(
    plain, tokenizer, tmp_path, line
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line + "\n")
    assert zlib.crc32(json_text(["I", 0, "an old answer"]).encode()) == 3240758501
    assert read_answers(path) == {}
    assert answer_prompts(plain, tokenizer, ["I"], path, weights="own", new_tokens=4) != [("I", "an old answer")]
    assert answer_prompts(None, tokenizer, ["I"], path, weights="own", new_tokens=4)


@pytest.mark.parametrize(
    "other", [{"weights": "others"}, {"new_tokens": 8}, {"number": 1}, {"number": 2, "temperature": 0.5}]
)
def test_answers_of_other_weights_lengths_or_draws_are_others(plain, tokenizer, tmp_path, other) -> None:
    path, mine = tmp_path / "a.jsonl", {"weights": "own", "new_tokens": 4}
    first = answer_prompts(plain, tokenizer, PROMPTS, path, **mine)
    answer_prompts(plain, tokenizer, PROMPTS, path, **{**mine, "number": 2})
    count = len(read_answers(path))
    theirs = answer_prompts(plain, tokenizer, PROMPTS, path, **{**mine, **other})
    assert len(read_answers(path)) == count + len(PROMPTS), "all were answered again"
    assert answer_prompts(None, tokenizer, PROMPTS, path, **mine) == first, "and the first ones are still there"
    assert answer_prompts(None, tokenizer, PROMPTS, path, **{**mine, **other}) == theirs
