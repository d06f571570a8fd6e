"""What outlives one visit of a page: loaded models, the store on disk, and jobs that run in the background.

Knows: `engines`, models kept on the device; `store`, a DuckDB file; `jobs`, one queue for what runs long.
Does not know: pages, or how anything is computed. Imports `core`; of `core`, only `core.commands` imports it.
Public: `engines.get_engine`, `store.database.shared_store`, `jobs.queue.shared_queue`.
"""
