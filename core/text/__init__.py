"""Numbers and lists as people write and read them: “2-16”.

Knows: text. Does not know: models, or what the numbers are for.
Public: `layers.parse_layers`, `layers.layers_option`, `layers.layers_text`.
"""
