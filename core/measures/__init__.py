"""Numbers read from passes: refusal scores, cosines, activations, losses, and the refusal direction itself.

Knows: a runtime, batches of passes. Does not know: how a pass is made, what a page shows.
Public: `scores.measure`, `scores.Measurement`, `scores.refusal_score`, `features.activity`, `features.alignment`,
`cross_entropy.cross_entropy`, `direction_search.search`, `direction_sources.stored_direction`, `reader.Reader`,
`reading.PromptReading`, `strongest.Strongest`, `recovery.measure`, `recovery.over_prompts`, `recovery.Gap`.
"""
