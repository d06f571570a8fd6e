"""Numbers read from passes: refusal scores, cosines, activations, losses, and the refusal direction itself.

Knows: a runtime, batches of passes. Does not know: how a pass is made, what a page shows.
Public: scores (measure, Measurement, refusal_score), features (active_features, activity, alignment, reconstruction),
cross_entropy, direction_search (search, pick) with direction_sources (stored_direction, split_sides), reader (Reader:
tensors for core.hydra and core.labels) with reading (PromptReading) and strongest (Strongest, final_gain).
"""
