"""The tables of a run, from its ledger's rows, and the files they are written to.

Knows: rows, rates with intervals. Does not know: models, stores, pages.
Public: report (tables: all there are), search (stages 0 to 3), controls (the paper's analyses), export (write), table
(Table).
"""
