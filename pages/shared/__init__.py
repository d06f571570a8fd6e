"""What pages share: the engine behind them, links, text made safe to show, errors as sentences.

Knows: Streamlit's session and address bar. Does not know: any one page.
Public: `engine.engine_or_stop`, `links.Link`, `text.plain`, `text.escaped`, `trouble.shown_as_sentences`,
`downloads.download`.
"""
