"""Tests with real weights: run by `make test-real` where the files are, and skipped elsewhere.

Knows: where a model's files lie on this machine. Does not know: the tiny model.
"""
