"""What runs long, and goes on when nobody looks at it.

Knows: jobs, and whose turn the device is (`queue`); how each kind of job is submitted, one module a kind: `search`,
`judging`, `defence`, `models`, `prompt_sets`. Does not know: pages, or how anything is computed. What a job must not
lose is kept in `cache.store`.
Public: `queue.shared_queue`, `queue.Queue`, `queue.Job`, `queue.Control`, `search.start`, `judging.start`,
`defence.start`, `models.start`, `models.start_check`, `prompt_sets.start`.
"""
