"""The BOS page: features held at the first token, the answers they lead to, and a defence evaluated.

Knows: how features are chosen and clamped on a page. Does not know: how a clamp acts, or how rates are computed.
Public: `page` (the order of things), `work` (what is asked of the engine), `charts`.
"""
