"""Answers of the model under edits, and what kind of answer each is.

Knows: greedy decoding, streamed or batched; refused, complied or degenerate by the text alone. Does not know:
classifiers (`core.judges`), pages, stores.
Public: `generate.stream`, `generate.streams`, `generate.answers`, `verdicts.verdict`.
"""
