"""The Judges page: which answers, which judges, their rates and how far they agree.

Knows: answers and judgements in the store. Does not know: how a judge judges.
Public: `page` (the order of things), `source`, `choose`, `results`, `charts`.
"""
