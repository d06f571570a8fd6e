"""A small search in shards: three phases that take seconds on the tiny model."""

from __future__ import annotations

from dataclasses import replace

from core.discovery.context import Work
from core.discovery.ledger import MemoryLedger
from core.scale.files import RunFile, ShardFolder
from core.scale.identity import identity_of
from core.scale.shard import carry_out_shard, parse_shard
from tests.small_search import INPUTS, SETTINGS, judge

QUICK = replace(SETTINGS, stages=(1,), length_prompts=0, least_tokens=(4,), k_steps=(2, 9))


def fresh_work(engine, settings=SETTINGS):
    return Work(engine, INPUTS, settings, MemoryLedger(), judge)


def run_shard(engine, folder, shard, settings=SETTINGS, changes=None):
    work = fresh_work(engine, settings)
    run = RunFile(replace(identity_of(work), **changes or {}), INPUTS.to_json(), {"run": "mine"})
    return carry_out_shard(work, ShardFolder(folder), run, parse_shard(shard))
