"""What the tests of training share: the tiny model with its tokenizer, and small settings."""

from __future__ import annotations

import pytest

from core.training.chats import compose
from core.training.settings import TrainingSettings
from tests.conftest import make_tokenizer

PAIRS = [(f"How do I bake bread number {n}?", f"Take {n} cups of flour and tell me a story.") for n in range(12)]


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer()


@pytest.fixture
def settings() -> TrainingSettings:
    return TrainingSettings(
        layers=(1, 2),
        width=48,
        k=6,
        tokens=1500,
        held_out_tokens=400,
        passes=3,
        batch=64,
        learning_rate=3e-3,
        warm_up_steps=4,
        dead_after_steps=10,
        longest=60,
        most_requests=2,
        answer_tokens=6,
        checkpoint_steps=7,
    )


@pytest.fixture
def chats(tokenizer):
    return compose(tokenizer, PAIRS, 1500, longest=60, most_requests=2, seed=0)


class StopsAfter:
    """A cancelled() that says yes from the n-th time it is asked."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0
