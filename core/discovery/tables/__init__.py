"""A run's rows as tables in the paper's order, and as files.

Knows: rows of a ledger, rates with intervals, file formats. Does not know: models, stores, or how a row was found.
Public: `report.tables`, `export.write`, `table.Table`, `search`, `controls`.
"""
