"""The Audit page: one prompt, where refusal arises in it, and what changes when features are switched off.

Knows: the charts by layer and token, the feature table, provenance. Does not know: the strip and the cards (`shared`).
Public: `page`, the script of the page.
"""
