"""What pages share: the workspace, the strip, quick sets, cards, history, measurements, the engine, safe text, style.

Knows: what two or more pages need. Does not know: any page.
Public: `workspace` (the one owner of what a visitor sees) and every module here.
"""
