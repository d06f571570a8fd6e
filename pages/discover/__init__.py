"""The Discover page: a new run of the search, its progress, its results.

Knows: a form, and runs in the store. Does not know: stages, or how a run is carried out.
Public: `page` (the order of things), `new_run`, `progress`, `results`, `stability`, `charts`.
"""
