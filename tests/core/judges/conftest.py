"""The place for a judge that is loaded is empty before and after every test."""

from __future__ import annotations

import pytest

from core.judges import place


@pytest.fixture(autouse=True)
def nothing_left_loaded():
    """Every test begins and ends with the judges' one place free."""
    yield
    if place.loaded_judge() is not None:
        place.loaded_judge().close()
