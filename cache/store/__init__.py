"""Everything that is kept on disk, in one DuckDB file that is only ever appended to.

`database` opens the file (`shared_store`, `Store`); `migrations` is its shape, step by step; `provenance` is where a
number comes from. One module a group of tables: `audits` (Audits), `runs` (Runs), `defences` (Defences), `judgements`
(Judgements), `labels` (NeuronpediaLabels, labels_of); `answers` reads what can be judged. Does not know: pages, jobs,
or how anything is computed.
"""
