"""What a visitor is looking at, with one owner: prompt, edits, settings of the quick sets, pinned sets, undo and redo.

Knows: the value (`state`), undo and redo (`undo`), the address bar's text (`address`), what an engine can apply of it
(`fitting`), and the session that holds all of it (`session`). Does not know: how anything is measured or drawn.
Public: `state.Workspace`, `state.Edit`, `state.Settings`, `undo.History`, `address.link_to`, `session`.
"""
