"""Long work that goes on when whoever asked for it has left the page.

Knows: threads, the store, how to pause and stop. Does not know: pages, or what is computed. Everything found is in
the store before the next piece begins, so a job that was stopped or killed goes on from there.
Public: `search.shared_worker`, `judging.shared_judging`, `discover.begin`.
"""
