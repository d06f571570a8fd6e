"""What the tests of training share: the tiny model with its tokenizer, and small settings."""

from __future__ import annotations

import pytest

from core.training.chats import compose
from core.training.settings import TrainingSettings
from tests.conftest import make_tokenizer
from tests.core.training.settings import SMALL

PAIRS = [(f"How do I bake bread number {n}?", f"Take {n} cups of flour and tell me a story.") for n in range(12)]


@pytest.fixture(scope="session")
def tokenizer():
    return make_tokenizer()


@pytest.fixture
def settings() -> TrainingSettings:
    return SMALL


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
