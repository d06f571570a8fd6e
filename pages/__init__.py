"""What a browser shows: one folder a page, and `shared` for what pages share.

Knows: Streamlit, and the public names of core and cache. Does not know: torch, or another page.
Public: `audit`, `discover`, `hydra`, `bos`, `judges`, `models`, `shared`.
"""
