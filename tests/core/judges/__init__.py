"""Tests of `core.judges`, and the tiny stand-ins they judge with (`standins.py`)."""
