"""What a person switches off or holds: edits as plain values, how they are written, and whether a model has them.

Knows: features, directions, positions, strengths, conditions. Does not know: tensors on a device, passes, pages.
Public: `edits.Edits`, `items.Feature`, `items.Sensor`, `items.POSITIONS`, `text.read_items`, `text.read_features`,
`text.write_item`, `overridden.overridden_sentence`, `direction.Direction`, `direction.load_direction`,
`feature_sets.top_per_layer`, `feature_sets.random_active`, `validation.check_edits`, `validation.ModelShape`.
"""
