"""How likely an answer is: the batched, cached way against plain transformers, one row at a time."""

import numpy as np
import pytest
import torch

from core import Conversation, Edits, Feature
from core.answers.likelihood import MOST_ANSWER, OTHERS, SKIPPED, Reference, gain
from core.forward.token_budget import at_most
from tests.oracles import PROMPTS

ANSWERS = [
    "The cat sat on the old bread and told a long story about a town by the sea.",
    "Yes.",
    "A small dog. A large dog. A red dog. " * 3,
    "",
    "How do I bake a bread? I do not know.",
]


@pytest.fixture(scope="module")
def pairs():
    return [(PROMPTS[n % len(PROMPTS)], answer) for n, answer in enumerate(ANSWERS)]


def slow(plain, prompt_ids, answer_ids):
    """float64 [answer tokens]: one row, the whole vocabulary, no cache."""
    with torch.inference_mode():
        logits = plain(input_ids=torch.tensor([[*prompt_ids, *answer_ids]]), use_cache=False).logits[0].double()
    start = len(prompt_ids)
    logs = logits.log_softmax(-1)
    return np.array([float(logs[start - 1 + n, token]) for n, token in enumerate(answer_ids)])


def ids_of(engine, answer):
    return engine.tokenizer(answer, add_special_tokens=False)["input_ids"]


def expected(tiny, plain, prompt, answer):
    """(nll, gain) by the slow way."""
    ids = ids_of(tiny, answer)
    here = slow(plain, tiny.prompt(prompt).ids, ids)
    elsewhere = np.mean([slow(plain, tiny.prompt(other).ids, ids)[SKIPPED:].mean() for other in OTHERS])
    return -here.mean(), 1 - here[SKIPPED:].mean() / elsewhere


@pytest.mark.parametrize("budget", [1, 64, 4096])
def test_a_batch_is_each_answer_alone_by_plain_transformers(tiny, plain, pairs, budget):
    with at_most(budget):
        found = Reference(tiny.runtime).measure(*zip(*pairs, strict=True))
    for (prompt, answer), one in zip(pairs, found, strict=True):
        if not answer:
            assert one is None
            continue
        nll, share = expected(tiny, plain, prompt, answer)
        assert one.nll == pytest.approx(nll, abs=1e-4)
        if len(ids_of(tiny, answer)) > SKIPPED:
            assert one.gain == pytest.approx(share, abs=1e-4)
        else:
            assert one.gain is None


def test_one_reference_gives_the_same_again_and_one_at_a_time(tiny, pairs):
    reference = Reference(tiny.runtime)
    together = reference.measure(*zip(*pairs, strict=True))
    for again in (reference, Reference(tiny.runtime)):
        alone = [again.measure([prompt], [answer])[0] for prompt, answer in pairs]
        for one, other in zip(together, alone, strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_allclose(np.array(one, float), np.array(other, float), atol=1e-5)


def test_edits_of_others_do_not_touch_it(tiny, pairs):
    """An answer under way under edits, in this thread, changes nothing of what the unedited model thinks."""
    before = Reference(tiny.runtime).measure(*zip(*pairs, strict=True))
    writing = tiny.generate(PROMPTS[0], Edits.clamp([Feature(1, 3)], 50.0), 8)
    next(writing)
    assert Reference(tiny.runtime).measure(*zip(*pairs, strict=True)) == before


def test_a_conversation_counts_as_it_was_asked(tiny, plain):
    turns = (("user", PROMPTS[0]), ("assistant", "A cat."), ("user", PROMPTS[1]))
    (one,) = Reference(tiny.runtime).measure([Conversation(turns)], [ANSWERS[0]])
    here = slow(plain, tiny.prompt(Conversation(turns)).ids, ids_of(tiny, ANSWERS[0]))
    assert one.nll == pytest.approx(-here.mean(), abs=1e-4)


def test_thinking_is_left_out_and_long_answers_are_read_in_part(tiny, pairs):
    reference = Reference(tiny.runtime)
    prompt, answer = pairs[0]
    plainly, thought = reference.measure([prompt] * 2, [answer, f"<think>a cat, a dog</think>{answer}"])
    assert plainly == pytest.approx(thought, abs=1e-5)
    room = tiny.context_length - max(len(tiny.prompt(text)) for text in (prompt, *OTHERS))
    words = answer * 200
    read = tiny.tokenizer.decode(ids_of(tiny, words)[: min(MOST_ANSWER, room)])
    whole, part = reference.measure([prompt] * 2, [words, read])
    assert whole == pytest.approx(part, abs=0.05)


def test_the_gain_is_a_share():
    assert gain(0.5, 2.0) == 0.75 and gain(2.0, 2.0) == 0 and gain(1.0, 0.0) == 0
