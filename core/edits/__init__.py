"""Edits of the residual stream as plain values, and how they are written: `12-40=6@bos`.

Knows: features, directions, strengths, positions, conditions; how edits add up; what a model could apply. Does not
know: models, tokens, or tensors on a device.
Public: `edits.Edits`, `items.Feature`, `items.Sensor`, `text.read_items` (parses what a person typed),
`text.write_item`, `validation.check_edits`, `direction.Direction`, `feature_sets.top_per_layer`.
"""
