"""How far each ablation of a run recovers the reference answers, measured once everything else is known.

Knows: which sets earlier steps ablated on which prompt, read back from their rows. Does not know: tables
(`core.discovery.tables.recovery`), or what recovery is (`core.measures.recovery`). Prompts without a reference answer
have no row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.discovery.analyses import active_on_tokens
from core.discovery.context import Work, chunks
from core.discovery.ledger import features
from core.discovery.steps import ranking
from core.edits.edits import Edits, Feature
from core.measures.recovery import Gap

#: Prompts of one group. Each has many sets of its own, so there is little to share.
_TOGETHER = 4
#: Steps whose sets are read back; those of the direction and of O'Brien et al. are made again.
_STEPS = ("candidates", "pruning", "inert", "random", "fixed", "controls", "interactions", "probe")


def recovery_groups(work: Work) -> list[list[str]]:
    """Every refused prompt that has a reference answer."""
    items = [item for item in work.kept("harmful") if work.text(item).strip() in work.references]
    return chunks(items, _TOGETHER)


def do_recovery(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """gaps: name of what was ablated → NLL of the prompt's reference answer unedited, edited, and under its writer.

    Names: “direction”, “stage_1/K”, “stage_2/τ”, “minimal”, “active” (of a set with dormant ones), “random”,
    “pool/K”, “fixed/K” and “fixed_active/K” (of sets fixed beforehand), “matched/KIND/draw” and “unaligned/KIND” (their
    controls), “least_tokens/k”, “stage_3/K”, “alone”, “machine/K”, “probe/K”. floor: the writer's NLL is not known and
    stands as 0.
    """
    return [_of_prompt(work, item) for item in group]


def _of_prompt(work: Work, item: str) -> dict[str, Any]:
    text = work.text(item)
    reference = replace(work.references[text.strip()], prompt=text)
    named = {name: Edits.ablate(chosen) for name, chosen in ablated(work, item).items()}
    named["direction"] = Edits.ablate_direction(work.engine.direction())
    (found,) = work.engine.recovery([reference], list(named.values()))
    return {
        "gaps": {name: [g.unedited, g.edited, g.reference] for name, g in zip(named, found, strict=True)},
        "floor": found[0].floor,
    }


def gap_of(value: Mapping[str, Any], name: str) -> Gap | None:
    """One of a row's gaps again; None where nothing of that name was ablated on the prompt."""
    numbers = value["gaps"].get(name)
    if numbers is None:
        return None
    unedited, edited, reference = numbers
    return Gap(unedited, edited, reference, value["floor"])


def gap_over_draws(value: Mapping[str, Any], name: str) -> Gap | None:
    """The gap of a row's random draws, “name/0” and so on: their mean edited NLL; None where there are none."""
    draws = [gap for key in value["gaps"] if key.startswith(f"{name}/") and (gap := gap_of(value, key))]
    if not draws:
        return None
    return draws[0]._replace(edited=sum(gap.edited for gap in draws) / len(draws))


def ablated(work: Work, item: str) -> dict[str, list[Feature]]:
    """name → features that the run's steps ablated on this prompt; steps that failed or were not asked for are absent.

    Stage 1 is measured at every K that any prompt was tried at, and the sweeps at every step, so that each figure is
    over the same prompts.
    """
    rows = {name: work.ledger.read(name) for name in _STEPS}
    here = {name: found[item].value for name, found in rows.items() if item in found and not found[item].error}
    tried = sorted({k for row in rows["candidates"].values() for k, _ in row.value.get("tried", ())})
    sets = {f"stage_1/{k}": work.pool(k) for k in tried}
    if "pruning" in here:
        sets |= {f"stage_2/{tau}": features(names) for tau, names in here["pruning"]["minimal"].items()}
    if work.minimal(item):
        sets["minimal"] = work.minimal(item)
    if "inert" in here and here["inert"]["dormant"]:
        # The dormant ones alone are left out: ablating what does not fire changes nothing on the prompt.
        sets["active"] = features(here["inert"]["active"])
    if "random" in here:
        sets["random"] = features(here["random"]["drawn"])
    return sets | _fixed_beforehand(work, here) | _swept(work, item, here)


def _fixed_beforehand(work: Work, here: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Feature]]:
    """The sets at a K and τ fixed beforehand, and the controls of these and of the chosen sets."""
    sets: dict[str, list[Feature]] = {}
    for k, value in here.get("fixed", {}).get("sets", {}).items():
        sets[f"pool/{k}"], sets[f"fixed/{k}"] = work.pool(int(k)), features(value["minimal"])
        if value.get("dormant"):
            sets[f"fixed_active/{k}"] = features(value["active"])
    for kind, value in here.get("controls", {}).items():
        sets |= {f"matched/{kind}/{n}": features(draw["drawn"]) for n, draw in enumerate(value["draws"])}
        sets[f"unaligned/{kind}"] = features(value["strongest"]["drawn"])
    return sets


def _swept(work: Work, item: str, here: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Feature]]:
    """The sets of Stage 3 and of the adapted method of O'Brien et al."""
    s, sets = work.settings, dict[str, list[Feature]]()
    if item in work.ledger.read("least_tokens"):
        seen = work.engine.activity([work.text(item)])
        seen = seen[work.searched(seen["layer"])]
        sets |= {f"least_tokens/{k}": active_on_tokens(seen, k) for k in s.least_tokens}
    if "interactions" in here:
        ranked, value = ranking(work, f"size/{s.embedding_size}"), here["interactions"]
        sets |= {f"stage_3/{k}": [*work.active(item), *ranked[: int(k)]] for k in value["verdicts"]}
        if value["k"] is not None:
            sets["alone"] = ranked[: value["k"]]
    if "probe" in here:
        for name, ranked_by in (("machine", f"size/{s.embedding_size}"), ("probe", "probe")):
            ranked = ranking(work, ranked_by)
            sets |= {f"{name}/{k}": ranked[: int(k)] for k in here["probe"][name]}
    return sets
