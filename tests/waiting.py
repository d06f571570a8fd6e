"""Waiting for something that another thread or process does."""

import time


def until(what, seconds=60.0):
    """Return when what() is true; fail where it is not in so many seconds."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
