"""The tables of a run, from its ledger's rows, and the files they are written to.

Knows: rows, rates with intervals. Does not know: models, stores, pages.
Public: `report.tables`, `search`, `controls`, `export.write`, `table.Table`.
"""
