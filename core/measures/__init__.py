"""Numbers read from forward passes: scores, features, cross-entropy, and the search for the direction.

Knows: batches of passes and what they found. Does not know: how rows become passes (`core.forward`), or pages.
Public: `scores.measure`, `scores.Measurement`, `scores.refusal_score`, `features.active_features`,
`features.alignment`, `cross_entropy.cross_entropy`, `direction_search.search`.
"""
