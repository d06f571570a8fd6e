"""The Study page: people say what features are about, or what answers are, one item at a time.

Knows: studies in the store, one annotator a tab. Does not know: how a study is made or what it comes to (`core`).
Public: `page` (the order of things), `state`, `new`, `join`, `annotate`, `results`.
"""
