"""What a kept reading is known by: whoever wrote its sentences, and not by the name alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from cache.jobs.features import key_of, measured_key
from core import Engine
from tests.core.semantics.planted import known
from tests.core.semantics.small_list import FEATURES, PROMPTS


def writer(weights: str = "a1", thinking: bool | None = None, placement: str = "cpu, float32") -> Engine:
    runtime = SimpleNamespace(digests=SimpleNamespace(weights=weights), template=SimpleNamespace(thinking=thinking))
    return SimpleNamespace(spec=SimpleNamespace(name="mine"), runtime=runtime, placement=placement)


def test_a_reading_is_anothers_where_the_writers_files_or_its_thinking_are_others():
    every = [
        None,
        writer(),
        writer("b2"),
        writer(thinking=True),
        writer(thinking=False),
        writer(placement="cpu, bfloat16"),
    ]
    for key in (key_of, measured_key):
        assert len({key("engine", PROMPTS, FEATURES, known(), one) for one in every}) == len(every)
        assert len({key("engine", PROMPTS, FEATURES, known(), writer()) for _ in range(2)}) == 1


def test_the_key_reads_them_from_an_engine(tiny):
    digests = tiny.runtime.digests
    assert digests.weights in measured_key("engine", PROMPTS, FEATURES, known(), tiny)
    assert digests.weights not in measured_key("engine", PROMPTS, FEATURES, known())
    other = SimpleNamespace(
        spec=tiny.spec,
        runtime=SimpleNamespace(digests=digests, template=replace(tiny.runtime.template, thinking=True)),
        placement=tiny.placement,
    )
    assert key_of("k", PROMPTS, FEATURES, known(), tiny) != key_of("k", PROMPTS, FEATURES, known(), other)
