"""One engine, many callers: threads, exceptions in the middle, and answers nobody reads to the end."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import numpy as np
import pytest
import torch

from core import Edits, Feature, InputError
from core.forward.passes import in_pass
from tests.oracles import PROMPTS, random_edits

EDITS = Edits.clamp([Feature(1, 3), Feature(2, 7), Feature(3, 30)], 4.0)


class StopException(BaseException):
    """As Streamlit's: thrown into a running page, and not an Exception."""


def assert_free(engine):
    """The lock can be had from another thread, and no pass is left behind in this one."""

    def have():
        had = engine.runtime.lock.acquire(timeout=2)
        if had:
            engine.runtime.lock.release()
        return had

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(have).result()
    assert not in_pass() and not torch.is_inference_mode_enabled()


@pytest.fixture
def unharmed(tiny):
    """Whatever the test does, the next call gives what it gave before."""
    sets = [Edits(), EDITS, Edits.ablate_direction(tiny.direction())]
    before, answer = tiny.measure(list(PROMPTS), sets, kl=True), "".join(tiny.generate(PROMPTS[0], EDITS))
    yield
    assert_free(tiny)
    after = tiny.measure(list(PROMPTS), sets, kl=True)
    for name in ("p_refusal", "cosine", "kl"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert "".join(tiny.generate(PROMPTS[0], EDITS)) == answer
    ids = torch.tensor([tiny.prompt(PROMPTS[0]).ids])
    assert tiny.model(input_ids=ids).logits.shape[1] == ids.shape[1]  # no hook acts outside a pass


def everything(engine, seed):
    """One caller's whole visit, as comparable values."""
    edits = random_edits(seed, engine.direction())
    text, watch = PROMPTS[seed % 4], [Feature(1 + seed % 3, seed)]
    one = engine.measure(text, [edits, Edits()], watch)
    many = engine.measure(list(PROMPTS), edits, watch, kl=True)
    frame = engine.features(text, edits)
    answer = "".join(engine.generate(text, edits, max_new_tokens=8))
    answers = engine.answers(PROMPTS[:2], [edits], 5)
    return (
        one.p_refusal,
        one.cosine,
        one.activations,
        many.p_refusal,
        many.kl,
        many.activations,
        frame["activation"].to_numpy(),
        frame["index"].to_numpy(),
        answer,
        answers,
    )


def test_eight_threads_get_what_each_would_have_got_alone(tiny, unharmed):
    alone = [everything(tiny, seed) for seed in range(8)]
    start = threading.Barrier(8)

    def visit(seed):
        start.wait()
        return [everything(tiny, seed) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(visit, range(8)))
    for expected, several in zip(alone, found, strict=True):
        for got in several:
            for one, other in zip(expected, got, strict=True):
                np.testing.assert_array_equal(one, other)


def test_answers_read_in_turns_do_not_mix(tiny, unharmed):
    sets = [Edits(), EDITS, Edits.ablate_direction(tiny.direction()), random_edits(7, tiny.direction())]
    expected = ["".join(tiny.generate(PROMPTS[0], edits, 10)) for edits in sets]
    streams, texts = [tiny.generate(PROMPTS[0], edits, 10) for edits in sets], [""] * 4
    for _ in range(11):
        for i, stream in enumerate(streams):
            texts[i] += next(stream, "")
            tiny.measure(PROMPTS[1], EDITS)
    assert texts == expected


def test_the_plain_model_stays_plain_while_another_thread_measures(tiny, plain):
    ids = torch.tensor([tiny.prompt(PROMPTS[0]).ids])
    with torch.inference_mode():
        expected, done, wrong = plain(input_ids=ids).logits, threading.Event(), []

    def look():
        while not done.is_set():
            with torch.inference_mode():
                wrong.append(not torch.equal(tiny.model(input_ids=ids).logits, expected))

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(20):
        tiny.measure(PROMPTS[1], [EDITS, Edits.ablate_direction(tiny.direction())])
    done.set()
    thread.join()
    assert wrong and not any(wrong)


def test_typed_special_tokens_stay_text_whatever_other_threads_type(tiny):
    """Tokenizing one thread's text must not flip a switch under another's."""
    specials, wrong = set(tiny.runtime.tokenizer.all_special_ids), []

    def sly():
        for _ in range(150):
            prompt = tiny.prompt("hello <|start|> " * 5)
            start, end = prompt.spans["instruction"]
            wrong.append(bool(specials & set(prompt.ids[start:end])))

    def plain():
        for _ in range(150):
            tiny.prompt("hello there " * 12)

    with ThreadPoolExecutor(6) as pool:
        for job in [pool.submit(job) for job in (sly, plain) * 3]:
            job.result()
    assert len(wrong) == 450 and not any(wrong)


@pytest.mark.parametrize("error", [RuntimeError, torch.OutOfMemoryError, KeyboardInterrupt, StopException])
@pytest.mark.parametrize(
    "call",
    [
        lambda engine: engine.measure(PROMPTS[0], [Edits(), EDITS]),
        lambda engine: engine.measure(list(PROMPTS), EDITS, kl=True),
        lambda engine: engine.features(PROMPTS[0], EDITS),
        lambda engine: list(engine.generate(PROMPTS[0], EDITS)),
        lambda engine: engine.answers(PROMPTS, [EDITS]),
        lambda engine: engine.reconstruction(PROMPTS[0]),
    ],
    ids=["measure", "many prompts", "features", "generate", "answers", "reconstruction"],
)
def test_an_error_inside_a_forward_is_over_when_it_is_over(tiny, unharmed, call, error):
    def fail(module, args, output):
        raise error("in the middle")

    handle = tiny.model.model.layers[2].register_forward_hook(fail)
    with pytest.raises(error, match="in the middle"):
        call(tiny)
    assert_free(tiny)
    handle.remove()


def test_an_error_late_in_an_answer_leaves_nothing_behind(tiny, unharmed):
    calls = []

    def fail_at_the_fifth(module, args, output):
        calls.append(1)
        if len(calls) == 5:
            raise RuntimeError("in the middle")

    handle = tiny.model.model.layers[1].register_forward_hook(fail_at_the_fifth)
    with pytest.raises(RuntimeError, match="in the middle"):
        list(tiny.generate(PROMPTS[0], EDITS, 30))
    handle.remove()


def test_an_abandoned_answer_holds_nothing(tiny, unharmed):
    stream = tiny.generate(PROMPTS[0], EDITS)
    next(stream)
    assert_free(tiny)  # nor while it waits to be read
    del stream
    gc.collect()


def test_an_answer_closed_or_broken_off_by_its_reader_holds_nothing(tiny, unharmed):
    stream = tiny.generate(PROMPTS[0], EDITS)
    next(stream)
    stream.close()
    with pytest.raises(StopException):
        for _ in tiny.generate(PROMPTS[0], EDITS):
            raise StopException
    unread = tiny.generate(PROMPTS[0], EDITS)
    with pytest.raises(StopException):
        unread.throw(StopException())


def test_an_answer_may_be_read_in_another_thread_than_it_was_asked_in(tiny, unharmed):
    expected = "".join(tiny.generate(PROMPTS[0], EDITS, 8))
    stream = tiny.generate(PROMPTS[0], EDITS, 8)
    first = next(stream)
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(copy_context().run, "".join, stream).result()
    assert first + rest == expected


def test_bad_input_in_one_thread_leaves_the_others_alone(tiny, unharmed):
    def bad():
        for _ in range(20):
            with pytest.raises(InputError):
                tiny.measure(PROMPTS[0], Edits.ablate([Feature(9, 9)]))

    expected = tiny.measure(PROMPTS[0], EDITS).p_refusal
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(bad) for _ in range(2)]
        for _ in range(20):
            np.testing.assert_array_equal(tiny.measure(PROMPTS[0], EDITS).p_refusal, expected)
        for job in jobs:
            job.result()
