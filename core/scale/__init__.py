"""One run of the search on many machines: as files of groups for any scheduler, or as workers on Ray.

Knows: a run's groups and phases, and what must be the same on every machine. Does not know: stages, the store, pages.
Public: `identity.Identity`, `shard.carry_out_shard`, `merge.merge`, `cluster.connected`, `search.ray_crew`.
"""
