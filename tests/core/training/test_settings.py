"""Settings: values that cannot be used are refused, and what decides the weights is what identity holds."""

from dataclasses import replace

import pytest

from core.errors import InputError


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"width": 0}, "width"),
        ({"layers": ()}, "Give the layers"),
        ({"layers": (3, 3)}, "each once"),
        ({"layers": (-1,)}, "Give the layers"),
        ({"k": 49}, "k is"),
        ({"k": 0}, "k is"),
        ({"passes": 0}, "above 0"),
        ({"passes": float("inf")}, "above 0"),
        ({"learning_rate": float("inf")}, "between 0 and 1"),
        ({"learning_rate": float("nan")}, "between 0 and 1"),
        ({"seed": -1}, "from 0 to"),
        ({"seed": 2**70}, "from 0 to"),
        ({"checkpoint_steps": 0}, "checkpoint steps"),
    ],
)
def test_values_that_cannot_be_used_are_refused(settings, change, match) -> None:
    with pytest.raises(InputError, match=match):
        replace(settings, **change)


def test_steps_are_whole_batches_over_all_passes(settings) -> None:
    assert settings.steps(1500) == 3 * 1500 // 64
    with pytest.raises(InputError, match="of one step"):
        settings.steps(63)


def test_identity_holds_what_decides_the_weights(settings) -> None:
    assert replace(settings, seed=1).identity() != settings.identity()
    assert replace(settings, width=64).identity() != settings.identity()
    same = replace(settings, layers=(3,), checkpoint_steps=1, held_out_tokens=5)
    assert same.identity() == settings.identity()
