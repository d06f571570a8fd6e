"""What is remembered between clicks and between starts: loaded models, the store, and long work under way.

Knows: `core`. Does not know: pages, or what the numbers it keeps mean.
Public: `engines`, `store`, `jobs`.
"""
