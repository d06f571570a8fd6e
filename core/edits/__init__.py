"""What a person switches off or holds: edits as plain values, how they are written, and whether a model has them.

Knows: features, directions, positions, strengths, conditions. Does not know: tensors on a device, passes, pages.
Public: edits (Edits, Feature, POSITIONS), items (the single edits), text (an edit as a word, parsed and written),
direction (Direction, load_direction, save_direction), feature_sets (top_per_layer, active_near, random_active),
validation (ModelShape, check_edits).
"""
