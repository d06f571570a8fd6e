"""The search itself as steps of a run: screening, candidates, pruning, interactions (paper, “Experiments”).

Knows: which stage module does what, and how its result becomes rows. Does not know: order, resuming, failures
(`runner.py`). Each `do_*` gives one value an item, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from core.answers.judge import ended_of
from core.discovery.consensus import mean_rank
from core.discovery.context import GROUP, WIDE_GROUP, Work, chunks
from core.discovery.ledger import feature_names, features
from core.discovery.stage0_screening import PromptKind, screen
from core.discovery.stage1_candidates import first_flips
from core.discovery.stage2_pruning import Block, prune
from core.discovery.stage3_factorization import Split, fit, nearest, similar_embeddings, split_rows
from core.discovery.stage3_rows import MachineRows, collect, column_of, feature_of, scaled
from core.edits.edits import Edits, Feature
from core.errors import InputError
from core.statistics import area_under_curve, rate

#: Fewer prompts a side than this, and 80/10/10 leaves nothing to test on.
_FEWEST = 10


def _said(work: Work, answer: str) -> dict[str, Any]:
    """The answer and whether the model ended it, where the person asked for generated text to be kept."""
    if not work.settings.keep_answers:
        return {}
    (ended,) = ended_of([answer])
    return {"answer": str(answer)} | ({} if ended is None else {"ended": ended})


def screen_groups(work: Work) -> list[list[str]]:
    return chunks(work.items("harmful"), WIDE_GROUP) + chunks(work.items("benign"), WIDE_GROUP)


def do_screen(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """Stage 0. A text that stood before in the same list is dropped as repeated."""
    kind: PromptKind = "harmful" if group[0].startswith("harmful") else "benign"
    first = work.items(kind).index(group[0])
    found = screen(
        [work.text(item) for item in group],
        kind,
        work.answers,
        work.engine.prompt,
        work.judge,
        before=work.texts(kind)[:first],
    )
    return [
        {"kept": s.kept, "reason": s.reason} | _category(work, item) | _said(work, s.answer)
        for item, s in zip(group, found, strict=True)
    ]


def _category(work: Work, item: str) -> dict[str, str]:
    """The prompt's category, where its list has any."""
    category = work.inputs.category(item)
    return {"category": category} if category else {}


def candidate_groups(work: Work) -> list[list[str]]:
    return chunks(work.kept("harmful"), WIDE_GROUP)


def do_candidates(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """Stage 1: the smallest K that flips each prompt."""
    found = first_flips([work.text(item) for item in group], work.pool, work.answers, work.judge, work.settings.k_steps)
    return [
        {"k": f.k, "features": len(work.pool(f.k)) if f.k else None, "tried": [list(t) for t in f.tried]}
        | _said(work, f.answer)
        for f in found
    ]


def pruning_groups(work: Work) -> list[list[str]]:
    """Prompts with the same K share their pool, and with it every ablation set."""
    rows, groups = work.ledger.read("candidates"), []
    for k in work.settings.k_steps:
        groups += chunks([i for i in work.kept("harmful") if i in rows and rows[i].value.get("k") == k], GROUP)
    return groups


def do_pruning(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """Stage 2 for prompts with one pool, and each minimal set verified by what is then answered."""
    s, texts = work.settings, [work.text(item) for item in group]
    pool = work.pool(int(work.ledger.read("candidates")[group[0]].value["k"]))
    before = work.engine.measure(texts, [Edits(), Edits.ablate(pool)]).p_refusal
    asked = Asked(work, texts)
    found = []
    every = [prune(pool, asked.of(row), s.thresholds, s.seeds, s.block_size, s.reading) for row in range(len(texts))]
    sets = [[Edits.ablate(pruned.minimal[t]) for t in s.thresholds] for pruned in every]
    verified = work.judged(list(zip(texts, sets, strict=True)))
    for row, (pruned, answers) in enumerate(zip(every, verified, strict=True)):
        judged = dict(zip(s.thresholds, answers, strict=True))
        flips = [t for t in s.thresholds if judged[t][0] == "complied"]
        found.append(
            {
                "pool": len(pool),
                "p_before": float(before[row, 0]),
                "p_pool": float(before[row, 1]),
                "minimal": {str(t): feature_names(pruned.minimal[t]) for t in s.thresholds},
                "verdicts": {str(t): judged[t][0] for t in s.thresholds},
                "tau": str(max(flips)) if flips else None,
                "delta": [r.delta[s.thresholds[0]].tolist() for r in pruned.runs] if s.reading == "shrinking" else None,
                "measured": pruned.measured,
            }
            | _said(work, judged[max(flips)][1] if flips else judged[s.thresholds[0]][1])
        )
    return found


class Asked:
    """P("I") for ablation sets. In the shrinking reading all prompts of a group ask for the same ones, so each list of
    sets is measured once for all of them."""

    def __init__(self, work: Work, texts: Sequence[str]) -> None:
        self._work, self._texts = work, list(texts)
        self._known: dict[tuple[Block, ...], np.ndarray] = {}

    def of(self, row: int) -> Callable[[Sequence[Block]], np.ndarray]:
        def probability(sets: Sequence[Block]) -> np.ndarray:
            edits = [Edits.ablate(block) for block in sets]
            if self._work.settings.reading == "fixed":
                return self._work.engine.measure([self._texts[row]], edits).p_refusal[0]
            key = tuple(sets)
            if key not in self._known:
                self._known[key] = self._work.engine.measure(self._texts, edits).p_refusal
            return self._known[key][row]

        return probability


def machine_groups(work: Work) -> list[list[str]]:
    """The fits of one machine are a group, as they share their rows."""
    names = [*(f"size/{size}" for size in work.settings.embedding_sizes), "probe"]
    return [[seed_item(name, number) for number in range(work.settings.machine_seeds)] for name in names]


def seed_item(name: str, number: int) -> str:
    """The item of a machine's fit of that number; the first has the machine's own name."""
    return f"{name}/seed/{number}" if number else name


def do_machine(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """Stage 3's factorization machine of one embedding size, or the linear probe: the same without embeddings.

    Each seed has its own start and order of rows. All have one split, so no test row of one trains another.
    """
    data, s = machine_data(work), work.settings
    split = split_rows(data.labels, s.seed)
    data = MachineRows(scaled(data.rows, split.training, s.scaling), data.labels)
    return [_fitted(work, item, data, split) for item in group]


def _fitted(work: Work, item: str, data: MachineRows, split: Split) -> dict[str, Any]:
    """One fit. ranking: of the machine that ranks, and of the probe, only; ranked_of: how many features it ranked."""
    name, _, number = item.partition("/seed/")
    s, size = work.settings, 0 if name == "probe" else int(name.partition("/")[2])
    seed = s.seed + int(number or 0)
    fitted = fit(data.rows, data.labels, split, size, s.epochs, s.learning_rate, seed=seed, patience=s.patience)
    truth = data.labels[split.test]
    accuracy = rate(int(((fitted.score > 0) == (truth > 0)).sum()), len(truth))
    value: dict[str, Any] = {
        "seed": seed,
        "rows": len(data.rows),
        "parts": [len(split.training), len(split.validation), len(split.test)],
        "columns": len(fitted.columns),
        "non_zeros": len(data.rows.column),
        "accuracy": [accuracy.hits, accuracy.n],
        "area_under_curve": area_under_curve(fitted.score, truth),
        "best_epoch": fitted.best + 1,
        "curve": [[e.training_loss, e.validation_loss, e.validation_accuracy] for e in fitted.curve],
    }
    most = max(*s.interaction_steps, *s.probe_steps)
    if size:
        similar = similar_embeddings(fitted.embedding, seed=s.seed)
        value["similarity"] = np.quantile(similar, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()
        value["above_0.9"] = float((similar > 0.9).mean())
        value["moved"] = fitted.moved
    if size == s.embedding_size:
        known = sorted({feature for item in work.critical() for feature in work.minimal(item)})
        to = [column_of(feature) for feature in known]
        value["ranking"] = _names(nearest(fitted, to, most, s.nearness))
        value["ranked_of"] = len(np.setdiff1d(fitted.columns, to))
    if name == "probe":
        value["ranking"] = _names(fitted.columns[np.argsort(-np.abs(fitted.weight), kind="stable")[:most]])
        value["ranked_of"] = len(fitted.columns)
    return value


def _names(columns: np.ndarray) -> list[str]:
    return feature_names(feature_of(int(column)) for column in columns)


def machine_data(work: Work) -> MachineRows:
    """Harmful prompts that were kept and equally many benign ones, as sparse rows. Raises InputError for too few."""
    sides = [work.kept("harmful"), work.kept("benign")]
    most = min(map(len, sides))
    if most < _FEWEST:
        raise InputError(
            f"Stage 3 needs at least {_FEWEST} harmful prompts that are refused and as many benign prompts that are "
            f"answered, but there are {len(sides[0])} and {len(sides[1])}. Give more prompts."
        )
    texts = [work.text(item) for side in sides for item in side[:most]]
    layer = work.engine.direction().layer
    first, excluded = work.settings.machine_first_layer, work.settings.excluded_layers
    layers = [n for n in work.engine.spec.layers if first <= n <= layer and n not in excluded]
    if not layers:
        raise InputError(
            f"Stage 3 uses layers {first} to {layer}, where the direction is read, without those that are left out, "
            "but this model has no SAE in these layers."
        )
    return collect(work.engine, texts, most, layers, work.settings.last_tokens)


def ranking(work: Work, name: str) -> list[Feature]:
    """What a machine ranks, nearest first: the consensus of its seeds, by mean rank; empty where every fit failed."""
    rows = work.ledger.read("machine")
    items = [seed_item(name, number) for number in range(work.settings.machine_seeds)]
    found = [features(rows[item].value.get("ranking", ())) for item in items if item in rows]
    return mean_rank([ranked for ranked in found if ranked], max(map(len, found), default=0))
