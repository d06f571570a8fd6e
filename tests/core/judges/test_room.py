"""Whether a judge fits, by what it needs and what is free."""

import pytest

from core.judges import Needs
from core.judges import room as rooms
from core.judges.room import room


@pytest.mark.parametrize(
    ("memory", "free", "fits"),
    [
        (0, 0, True),
        (10**6, 402_000_000, True),
        (10**6, 400_000_000, False),
        (14 * 10**9, 16 * 10**9, False),
        (14 * 10**9, 17 * 10**9, True),
    ],
)
def test_weights_and_working_space_must_fit(monkeypatch, memory, free, fits):
    monkeypatch.setattr(rooms, "free_memory", lambda device: free)
    found = room(Needs(memory))
    assert found.fits is fits and ("does not fit" in str(found)) is not fits


def test_it_says_what_is_short_and_how_to_mend_it(monkeypatch):
    monkeypatch.setattr(rooms, "free_memory", lambda device: 2 * 10**9)
    said = str(room(Needs(10 * 10**9)))
    assert "11.5 GB" in said and "2.0 GB are free" in said and "model in use go" in said
    assert str(room(Needs())) == "It loads nothing."
