"""The Features page: what features are about, as a table, cards and a map, and lists of them with a name.

Knows: the page's own parts. Does not know: how anything is tested (`core.semantics`), other pages.
Public: `page` runs it; `source` (which features), `prompts` (which labelled list), `reading` (the job and its result),
`rows` (one row a feature, and the filters), `views`, `table`, `cards`, `maps`, `charts`, `lists`.
"""
