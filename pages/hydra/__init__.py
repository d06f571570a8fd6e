"""The Hydra page: what wakes when features are ablated, who held it down, and whether it matters.

Knows: how waking is laid out and played. Does not know: how it is found.
Public: `page` (the order of things), `work` (what is asked of the engine), `charts`, `tour`.
"""
