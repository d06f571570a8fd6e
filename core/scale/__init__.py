"""Work on many machines: a run of the search as files of groups for any scheduler, or groups on Ray's workers.

Knows: groups, and what must be the same on every machine. Does not know: stages, the store, pages.
Public: `identity.Identity`, `shard.carry_out_shard`, `merge.merge`, `cluster.connected`, `search.ray_crew`,
`judging.ray_judges`.
"""
