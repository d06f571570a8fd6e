"""The place for a judge that is loaded is empty before and after every test."""

from __future__ import annotations

import pytest

from core.judges import classifier


@pytest.fixture(autouse=True)
def nothing_left_loaded():
    """Every test begins and ends with the judges' one place free."""
    yield
    if classifier.loaded_classifier() is not None:
        classifier.loaded_classifier().close()
