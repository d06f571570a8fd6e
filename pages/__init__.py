"""What a browser shows: one folder a page, `shared` for what they share, and a cold link for each address.

Knows: Streamlit, the engine, the store. Does not know: torch, or how anything is computed. No page imports another.
Public: `audit.page`, `discover.page`, `hydra.page`, `bos.page`, `judges.page`, `models.page`.
"""
