"""A prompt followed by an answer: where the model has no template, a blank stands between."""

from __future__ import annotations

import pytest
from transformers import AutoTokenizer

from core.models.demo_base import base_folder
from core.prompts.answered import with_answer
from core.prompts.template import make_prompt, read_template
from tests.blank_taker import blank_taker


def bare(name):
    tokenizer = blank_taker() if name == "blanks" else AutoTokenizer.from_pretrained(base_folder())
    tokenizer.chat_template = None
    return tokenizer, make_prompt(tokenizer, read_template(tokenizer), "how to bake", 100)


@pytest.mark.parametrize("name", ["bytes", "blanks"])
def test_an_answer_goes_on_with_the_text_after_one_blank(name):
    tokenizer, prompt = bare(name)
    for answer in ("bread or two.", " bread or two.")[: 1 if name == "blanks" else 2]:
        made = with_answer(tokenizer, prompt, answer, 100, goes_on=True)
        start, end = made.spans["generated"]
        whole = tokenizer.decode(made.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert whole.endswith("how to bake bread or two.") and made.ids[:start] == prompt.ids and end == len(made)


def test_behind_a_template_an_answer_is_as_it_stands(tiny):
    prompt = tiny.prompt("how")
    made = with_answer(tiny.tokenizer, prompt, "a town", tiny.context_length)
    assert "".join(made.pieces[len(prompt) :]) == "a town" and made.spans["generated"] == (len(prompt), len(made))
