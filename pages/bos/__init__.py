"""The BOS page: features clamped at the first token, what harmless requests get, and the clamp as a defence.

Knows: the choice of features, the clamp, the grid of answers, evaluations. Does not know: the strip (`shared`).
Public: `page`, the script of the page.
"""
