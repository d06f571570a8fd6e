"""Cross-entropy under edits against the slow path, and what counts as a text's own tokens."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from core import Edits, InputError
from core.forward.token_budget import at_most
from core.prompts.template import make_plain
from tests.oracles import PROMPTS, random_edits, slow


@pytest.mark.parametrize("seed", [None, 40, 41, 42, 43])
def test_it_is_the_mean_over_the_prompts_own_tokens(tiny, plain, tiny_saes, seed):
    edits = Edits() if seed is None else random_edits(seed, tiny.direction())
    found = tiny.cross_entropy(PROMPTS, edits)
    for text, value in zip(PROMPTS, found, strict=True):
        prompt = tiny.prompt(text)
        start, end = prompt.spans["instruction"]
        logits = slow(plain, tiny_saes, prompt, edits).logits
        expected = cross_entropy(logits[start - 1 : end - 1].double(), torch.tensor(prompt.ids[start:end]))
        assert value == pytest.approx(float(expected), abs=1e-4)


def test_plain_text_has_no_template(tiny, plain):
    ids = torch.tensor([[tiny.runtime.tokenizer.bos_token_id, *tiny.runtime.tokenizer("a small town").input_ids]])
    logits = plain(ids).logits[0, :-1].double()
    (found,) = tiny.cross_entropy(["a small town"], chat=False)
    assert found == pytest.approx(float(cross_entropy(logits, ids[0, 1:])), abs=1e-5)


def test_a_small_token_budget_changes_nothing(tiny):
    edits = random_edits(3, tiny.direction())
    whole = tiny.cross_entropy(PROMPTS, edits)
    with at_most(1):
        np.testing.assert_allclose(tiny.cross_entropy(PROMPTS, edits), whole, rtol=0, atol=1e-5)


def test_a_text_without_tokens_is_one_sentence(tiny):
    with pytest.raises(InputError, match="no cross-entropy"):
        tiny.cross_entropy([""], chat=False)


def test_special_tokens_spelt_in_plain_text_stay_letters(tiny):
    made = make_plain(tiny.tokenizer, "<|end|> of a town", tiny.context_length)
    assert tiny.tokenizer.eos_token_id not in made.ids
