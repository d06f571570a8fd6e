"""What runs long, and goes on when nobody looks at it.

`queue` knows jobs and whose turn the device is; one module a kind of job knows how to submit it: `search`, `judging`,
`defence`, `models`, `prompt_sets`. None knows pages. What a job must not lose is kept in `cache.store`.
Public: `queue.shared_queue`, `queue.Queue`, `queue.Job`, `queue.Control`; `search.start`, `judging.start`,
`defence.start`, `models.start`, `models.start_check`, `prompt_sets.start`.
"""
