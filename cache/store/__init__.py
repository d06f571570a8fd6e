"""The DuckDB file: append-only tables, one module for each group of them.

Knows: rows, migrations, what can go wrong with a file. Does not know: how anything is measured, or pages.
Public: `database.shared_store`, `database.Store`, `runs.Runs`, `judgements.Judgements`, `defences.Defences`,
`labels.labels_of`, `migrations.MIGRATIONS`.
"""
