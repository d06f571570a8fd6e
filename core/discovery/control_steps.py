"""The paper's analyses as steps of a run: what fires, what wakes, what else would have done as well.

Knows: sets of features to ablate and what to look at afterwards. Does not know: tables and intervals
(`core.discovery.tables`), order or failures (`runner.py`). Each `do_*` gives one value an item, in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.answers.rule_judges import verdicts_of
from core.answers.verdicts import Verdict
from core.discovery.analyses import active_on_tokens, deactivation, fires, woken
from core.discovery.context import GROUP, WIDE_GROUP, Work, chunks
from core.discovery.ledger import feature_names
from core.discovery.steps import ranking
from core.edits.edits import Edits, Feature
from core.edits.feature_sets import random_active


def refused_groups(work: Work) -> list[list[str]]:
    """Every prompt that Stage 0 kept."""
    return chunks(work.kept("harmful"), GROUP)


def wide_refused_groups(work: Work) -> list[list[str]]:
    """The same in wider groups, for steps that answer each once."""
    return chunks(work.kept("harmful"), WIDE_GROUP)


def critical_groups(work: Work) -> list[list[str]]:
    """Every prompt with a verified minimal set."""
    return chunks(work.critical(), GROUP)


def wide_critical_groups(work: Work) -> list[list[str]]:
    """The same in wider groups, for steps that answer each once."""
    return chunks(work.critical(), WIDE_GROUP)


def do_direction(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """The refusal direction ablated, for comparison with feature sets."""
    edits = [Edits.ablate_direction(work.engine.direction())]
    texts = [work.text(item) for item in group]
    replies = [answer for (answer,) in work.answers(texts, edits)]
    return [{"verdict": verdict} for verdict in verdicts_of(work.judge, texts, replies)]


def do_least_tokens(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """Features active on at least k tokens of the prompt, ablated, over k (O'Brien et al. 2024, as adapted)."""
    s, texts = work.settings, [work.text(item) for item in group]
    seen = work.engine.activity(texts)
    mine = [seen[(seen["prompt"] == number) & work.searched(seen["layer"])] for number in range(len(texts))]
    sets = [[active_on_tokens(one, k) for k in s.least_tokens] for one in mine]
    edits = [[Edits.ablate(features) for features in several] for several in sets]
    judged = work.judged(list(zip(texts, edits, strict=True)))
    return [
        {
            "verdicts": {str(k): v for k, (v, _) in zip(s.least_tokens, verdicts, strict=True)},
            "features": {str(k): len(features) for k, features in zip(s.least_tokens, several, strict=True)},
        }
        for several, verdicts in zip(sets, judged, strict=True)
    ]


def do_inert(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """Critical features that do not fire (Stage 3's first paragraph), and which of them wake (“Redundant Features”)."""
    return dormant_parts(work, [(work.text(item), work.minimal(item)) for item in group])


def dormant_parts(work: Work, pairs: Sequence[tuple[str, Sequence[Feature]]]) -> list[dict[str, Any]]:
    """The dormant features of sets that each flip a prompt, and what they do. pairs: prompt and set.

    `active` and `dormant` part the set by whether they fire on the unedited prompt. Only where some are dormant could
    anything come out otherwise: `without_dormant` is the verdict with the active ones alone ablated, `dormant_alone`
    with the dormant ones alone, and `alone_changed` says whether the answer then differs from the unedited one. On the
    prompt it cannot: what does not fire is ablated to what it is. All three are None where none is dormant.
    `woken`: dormant features that fire when the active ones are ablated: feature, position, token, the span it stands
    in, activation. `step_two`: the reading of the paper's filter that the run was asked for.
    """
    values, asked = list[dict[str, Any]](), list[tuple[str, list[Edits]]]()
    for text, minimal in pairs:
        awake = fires(work.engine.measure([text], [Edits()], watch=minimal).activations[0, 0])
        active = [f for f, on in zip(minimal, awake, strict=True) if on]
        dormant = [f for f, on in zip(minimal, awake, strict=True) if not on]
        value: dict[str, Any] = {
            "active": feature_names(active),
            "dormant": feature_names(dormant),
            "without_dormant": None,
            "dormant_alone": None,
            "alone_changed": None,
            "step_two": work.settings.step_two,
            "woken": [],
        }
        if dormant:
            value["woken"] = _woken(work, text, active, dormant)
        values.append(value)
        asked.append((text, [Edits.ablate(active), Edits.ablate(dormant), Edits()] if dormant else []))
    for value, judged in zip(values, work.judged(asked), strict=True):
        if judged:
            (without, _), (alone, said), (_, unedited) = judged
            value |= {"without_dormant": without, "dormant_alone": alone, "alone_changed": said != unedited}
    return values


def _woken(work: Work, text: str, active: Sequence[Feature], dormant: Sequence[Feature]) -> list[list[Any]]:
    """Dormant features that fire once the active ones are ablated."""
    prompt = work.engine.prompt(text)
    after = work.engine.measure([text], [Edits.ablate(active)], watch=dormant).activations[0, 0]
    return [
        [str(w.feature), w.position, prompt.pieces[w.position], span_of(prompt.spans, w.position), w.value]
        for w in woken(dormant, after)
    ]


def span_of(spans: dict[str, tuple[int, int]], position: int) -> str:
    """The narrowest named span a position is in."""
    for name in ("bos", "system", "instruction", "template"):
        if name in spans and spans[name][0] <= position < spans[name][1]:
            return name
    return "text"


def do_random(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """As many random active features as the minimal set has, same prompt (“Comparison with random features”)."""
    texts, sets = [work.text(item) for item in group], list[list[Feature]]()
    seen = work.engine.activity(texts)
    for number, item in enumerate(group):
        mine = seen[(seen["prompt"] == number) & work.searched(seen["layer"])]
        seed = work.settings.seed + int(item.partition("/")[2])
        sets.append(random_active(mine, work.minimal(item), seed=seed))
    judged = work.judged([(text, [Edits.ablate(drawn)]) for text, drawn in zip(texts, sets, strict=True)])
    return [
        {"features": len(work.minimal(item)), "drawn": feature_names(drawn), "verdict": verdict}
        for item, drawn, ((verdict, _),) in zip(group, sets, judged, strict=True)
    ]


def do_interactions(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """Stage 3's sweep: the active part of the minimal set with the K nearest new features, over K.

    `k`: the smallest that flips. At that K: `alone`, the verdict with the new features alone; `active`, `deactivated`
    and `drop`, what they do to the Stage 2 features that fire (“Causal Link between Stage2 and Stage3 features”).
    """
    s, ranked = work.settings, ranking(work, f"size/{work.settings.embedding_size}")
    steps, texts = _steps(s.interaction_steps, len(ranked)), [work.text(item) for item in group]
    sets = [[Edits.ablate([*work.active(item), *ranked[:k]]) for k in steps] for item in group]
    values, firsts = list[dict[str, Any]](), list[int | None]()
    for judged in work.judged(list(zip(texts, sets, strict=True))):
        verdicts: dict[int, Verdict] = {k: v for k, (v, _) in zip(steps, judged, strict=True)}
        firsts.append(next((k for k in steps if verdicts[k] == "complied"), None))
        values.append({"verdicts": {str(k): v for k, v in verdicts.items()}, "k": firsts[-1]})
    new = [[] if first is None else [Edits.ablate(ranked[:first])] for first in firsts]
    alone = work.judged(list(zip(texts, new, strict=True)))
    for item, text, value, first, judged in zip(group, texts, values, firsts, alone, strict=True):
        if first is not None:
            ((value["alone"], _),) = judged
            value |= _link(work, text, work.active(item), ranked[:first])
    return values


def _link(work: Work, text: str, active: Sequence[Feature], new: Sequence[Feature]) -> dict[str, Any]:
    found = work.engine.measure([text], [Edits(), Edits.ablate(new)], watch=active).activations[0]
    link = deactivation(found[0], found[1])
    return {"active": len(active), "deactivated": link.deactivated, "drop": link.drop}


def do_probe(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """The linear probe's top K by weight, and the machine's top K beside them, each ablated alone, over K."""
    rankings = {"probe": ranking(work, "probe"), "machine": ranking(work, f"size/{work.settings.embedding_size}")}
    texts = [work.text(item) for item in group]
    found: list[dict[str, Any]] = [{name: {} for name in rankings} for _ in group]
    for name, ranked in rankings.items():
        steps = _steps(work.settings.probe_steps, len(ranked))
        replies = work.answers(texts, [Edits.ablate(ranked[:k]) for k in steps]) if steps else []
        for value, text, answers in zip(found, texts, replies, strict=bool(steps)):
            judged = verdicts_of(work.judge, [text] * len(answers), answers)
            value[name] = {str(k): one for k, one in zip(steps, judged, strict=True)}
    return found


def _steps(steps: Sequence[int], most: int) -> list[int]:
    """The steps that a ranking of `most` features can fill, and one for all of it where it falls between two."""
    kept = [k for k in steps if k <= most]
    return [*kept, most] if kept != list(steps) and most and (not kept or kept[-1] < most) else kept
