"""Small settings that tests of training share. Knows: numbers that fit the tiny model."""

from core.training.settings import TrainingSettings

SMALL = TrainingSettings(
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
