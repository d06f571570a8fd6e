"""Everything that is kept on disk, in one DuckDB file that is only ever appended to.

Knows: opening the file (`database`), its shape step by step (`migrations`), where a number comes from (`provenance`).
One module a group of tables: `audits`, `runs`, `defences`, `judgements`, `labels`; `answers` reads what can be judged.
Does not know: pages, jobs, or how anything is computed.
Public: `database.shared_store`, `database.Store`, `audits.Audits`, `runs.Runs`, `defences.Defences`,
`judgements.Judgements`, `labels.NeuronpediaLabels`, `labels.labels_of`, `migrations.MIGRATIONS`.
"""
