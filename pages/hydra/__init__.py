"""The Hydra page: which silent features wake when others are switched off, and what becomes of the refusal.

Knows: the views of what woke, the rounds, the tour. Does not know: the strip and the cards (`shared`).
Public: `page`, the script of the page.
"""
