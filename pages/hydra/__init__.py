"""The Hydra page: what a model puts back when features are switched off, and which silent features wake.

Knows: self-repair, the views of what woke, the rounds, the tour. Does not know: the strip and the cards (`shared`).
Public: `page`, the script of the page.
"""
