"""The Audit page: one prompt, layer by layer, before and after edits.

Knows: how one audit is laid out. Does not know: how anything is measured.
Public: `page` (the order of things), `work` (what is asked of the engine), `charts`, `cards`.
"""
