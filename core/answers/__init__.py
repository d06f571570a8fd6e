"""Answers: greedy text under edits, and whether an answer refuses.

Knows: tokens one after the other, phrases of refusal. Does not know: how passes are made, scores, judges that are
models.
Public: `generate.stream`, `generate.streams`, `generate.answers`, `verdicts.verdict`, `verdicts.Verdict`.
"""
