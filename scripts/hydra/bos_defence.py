"""Clamping at BOS as a defence, measured, and what that means for the claim that it cuts jailbreaks by 80%, which a
machine-made summary of the paper makes and the paper does not.

Knows: which attacks are tried, and which features are held: those that wake at BOS when the nearest features of every
layer are ablated, the K most aligned with refusal (the paper's redundant features). For comparison, a clamp that ought
to work: the feature nearest the direction in each later layer, where the answer begins, always and only where a sensor
fires. Does not know: how a cell is computed. Each cell is kept in `--out FILE.duckdb` when it is done, so the same
command goes on where it was stopped. Prints Markdown.

    python scripts/hydra/bos_defence.py --model demo --n 40 --out defence.duckdb
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from kept_rows import texts

from cache.store.database import Store
from cache.store.defences import Defences
from core import Edits, Engine, Feature, load
from core.defence import ATTACKS, Evaluation, conclusion, natural_ranges, table
from core.edits.feature_sets import features_of, random_active, top_per_layer
from core.edits.items import Sensor
from core.hydra import bos_view
from core.judges.names import USUAL
from core.prompts.shipped import prompts_file, read_shipped, shipped_texts
from core.statistics import area_interval, area_under_curve, rate

#: What nobody attacks: the cost of the clamp, the same for every attack.
COST = "none"
#: Training prompts of each kind from which values and the sensor of the comparison are chosen.
TRAINING = 60


class Asked(NamedTuple):
    """The prompts that the clamps are tried on."""

    harmful: tuple[str, ...]
    benign: tuple[str, ...]
    look_alikes: tuple[str, ...]


def redundant(engine: Engine, off: Edits, k: int) -> tuple[list[Feature], float]:
    """What wakes at BOS under `off`, the `k` most aligned with the refusal direction; their median activation then."""
    woken = bos_view(engine, off).woken
    nearest = woken.sort_values("cosine", ascending=False).head(k)
    print(f"{len(woken)} features wake at BOS under {off.describe()}; held are the {len(nearest)} most aligned:\n")
    print("| feature | activation when woken | cosine to refusal |\n|---|---|---|")
    for row in nearest.itertuples():
        print(f"| {row.layer}-{row.index} | {row.activation:.2f} | {row.cosine:+.3f} |")
    return features_of(nearest), float(nearest["activation"].median())


def evaluations(features: list[Feature], values: tuple, off: Edits, k: int, asked: Asked) -> Iterator[Evaluation]:
    """The cost first, then every attack on the same harmful requests."""
    held = tuple(features)
    yield Evaluation(COST, held, values, (), asked.benign, asked.look_alikes)
    yield Evaluation("refusal direction ablated", held, values, asked.harmful, base="direction")
    yield Evaluation(f"top-{k} per layer ablated", held, values, asked.harmful, base=off.to_text())
    for attack in ATTACKS:
        yield Evaluation(f"{attack.kind}: {attack.name}", held, values, asked.harmful, wrapping=attack.name)


def features_for_comparison(engine: Engine, first: int) -> tuple[list[Feature], float]:
    """The feature nearest the direction in each layer from `first` on; the median of their largest activations on
    harmful training prompts.
    """
    features = [f for f in top_per_layer(engine.alignment(), 1) if f.layer >= first]
    ranges = natural_ranges(engine, features, shipped_texts(read_shipped(prompts_file()), "harmful", "train", TRAINING))
    return features, round(float(ranges["highest"].median()), 1)


def best_sensor(engine: Engine, layers: set[int]) -> Sensor:
    """The feature of `layers` whose largest activation over the end-of-instruction tokens best tells harmful training
    prompts from benign and look-alike ones, and the threshold that tells most of them apart (Youden).
    """
    rows, peaks = read_shipped(prompts_file()), []
    texts = {kind: shipped_texts(rows, kind, "train", TRAINING) for kind in ("harmful", "benign", "lookalike")}
    for number, text in enumerate(text for kind in texts.values() for text in kind):
        frame, start = engine.features(text), engine.prompt(text).spans["template"][0]
        frame = frame[frame["layer"].isin(layers) & (frame["position"] >= start)]
        peaks.append(frame.groupby(["layer", "index"])["activation"].max().rename(number))
    table = pd.concat(peaks, axis=1).fillna(0.0)
    harmful = np.arange(table.shape[1]) < len(texts["harmful"])
    area = table.apply(lambda row: area_under_curve(row.to_numpy(), harmful), axis=1)
    feature = Feature(*map(int, area.idxmax()))
    peak = table.loc[feature].to_numpy()
    steps = np.unique(peak)[:-1]
    youden = [(peak[harmful] > step).mean() - (peak[~harmful] > step).mean() for step in steps]
    threshold = float(steps[int(np.argmax(youden))])
    found = area_interval(float(area.max()), int(harmful.sum()), int((~harmful).sum()))
    fires = [rate(int((some > threshold).sum()), len(some)) for some in (peak[harmful], peak[~harmful])]
    print(
        f"Sensor {feature} > {threshold:.2f}, chosen on these training prompts as the best of {len(table)} features, so "
        f"optimistic: area under the curve {found.text('.3f')}; fires on {fires[0]} of harmful, {fires[1]} of others."
    )
    return Sensor(feature, threshold)


def comparison(engine: Engine, asked: Asked, first: int) -> Iterator[Evaluation]:
    """The same attack under the clamp always on, and on only where the sensor fires."""
    features, usual = features_for_comparison(engine, first)
    print(f"\n## For comparison: {', '.join(map(str, features))} held at the end-of-instruction tokens\n")
    print(f"Their largest activation on {TRAINING} harmful training prompts: median {usual}.")
    sensor = best_sensor(engine, {layer for layer in engine.spec.layers if layer <= min(f.layer for f in features)})
    values = (None, *(round(times * usual, 1) for times in (1, 2, 4)))
    for name, when in (("always on", None), (f"where {sensor} fires", sensor)):
        yield Evaluation(
            f"role-play: novel, clamp {name}",
            tuple(features),
            values,
            *asked,
            wrapping="novel",
            positions="template",
            when=when,
        )


def random_comparison(engine: Engine, asked: Asked, first: int) -> Evaluation:
    """The control of `comparison`, always on: random features of the same layers that are active at the end of the
    first attacked instruction.
    """
    features, usual = features_for_comparison(engine, first)
    active, start = engine.features(asked.harmful[0]), engine.prompt(asked.harmful[0]).spans["template"][0]
    drawn = tuple(random_active(active[active["position"] >= start], features, seed=0))
    print(f"\n## Control: random features held at the end-of-instruction tokens: {', '.join(map(str, drawn))}")
    name = "role-play: novel, random features, always on"
    return Evaluation(name, drawn, (None, usual), *asked, wrapping="novel", positions="template")


def prompts_of(engine: Engine, options: argparse.Namespace) -> Asked:
    """The first of each file, or of the model's own held-out prompts."""
    files = {"harmful": options.prompts, "benign": options.benign, "lookalike": options.lookalikes}
    return Asked(*(tuple(texts(path, engine, kind))[: options.n] for kind, path in files.items()))


def done(engine: Engine, defences: Defences, asked: Evaluation, judge: str) -> dict:
    """Every cell of an evaluation, from the store where it was begun before."""
    same = (one for one in defences.all(engine.spec.name) if one.asked == asked and one.judge.name == judge)
    name = next((one.defence for one in same), None) or defences.create(engine, asked, judge)
    for cell in defences.carry_out(engine, name):
        print(f"{time.strftime('%H:%M:%S')} {asked.attack}, {cell.clamp}: {cell.group}", file=sys.stderr, flush=True)
    return defences.found(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="a name listed by `python -m core models`")
    parser.add_argument("--prompts", type=Path, help="harmful prompts (.txt, .csv …); the model's held-out ones")
    parser.add_argument("--benign", type=Path, help="benign prompts; the model's held-out ones")
    parser.add_argument("--lookalikes", type=Path, help="benign prompts that look harmful; the model's held-out ones")
    parser.add_argument("--n", type=int, default=40, help="prompts of each kind")
    parser.add_argument("--per-layer", type=int, default=3, help="nearest features a layer, ablated as the attack")
    parser.add_argument("--k", type=int, default=8, help="features held")
    parser.add_argument("--values", default="2,4,6,8", help="what they are held at, beside no clamp")
    parser.add_argument(
        "--scaled",
        default="1,3",
        help="also these times the median activation with which the features wake; may be empty",
    )
    parser.add_argument("--first", type=int, default=13, help="first layer of the clamp held for comparison")
    parser.add_argument("--judge", default=USUAL, help="of the answers; a name listed in docs/discover.md")
    parser.add_argument("--out", type=Path, default=Path("defence.duckdb"), help="where cells are kept")
    options = parser.parse_args()
    engine = load(options.model)
    asked = prompts_of(engine, options)
    off = Edits.ablate(top_per_layer(engine.alignment(), options.per_layer))
    defences = Defences(Store(options.out))
    if "bos" in engine.prompt("Hello").spans:
        at_bos(engine, asked, off, defences, options)
    else:
        print(
            "This model's prompts do not begin with a BOS token, so nothing can be held there. Attacks without a clamp:"
        )
        for one in evaluations([], (None,), off, options.per_layer, asked):
            show(engine, defences, one, options.judge)
    for one in comparison(engine, asked, options.first):
        print(f"\n{conclusion(one.values, show(engine, defences, one, options.judge), one.positions)}", flush=True)
    show(engine, defences, random_comparison(engine, asked, options.first), options.judge)


def at_bos(engine: Engine, asked: Asked, off: Edits, defences: Defences, options: argparse.Namespace) -> None:
    """The features that wake at BOS, held there, under every attack."""
    features, usual = redundant(engine, off, options.k)
    plain, scaled = ([float(v) for v in text.split(",") if v] for text in (options.values, options.scaled))
    values = (None, *sorted({*plain, *(round(times * usual, 1) for times in scaled)}))
    cost: dict = {}
    ranges = natural_ranges(engine, features, [*asked.harmful[:12], *asked.benign[:12]])
    print("\nNatural ranges over the first 12 harmful and 12 benign prompts, unedited:\n")
    print(f"at BOS up to {ranges['bos'].max():.2f}, elsewhere up to {ranges['highest'].max():.2f}.")
    for one in evaluations(features, values, off, options.per_layer, asked):
        found = show(engine, defences, one, options.judge)
        if one.attack == COST:
            cost = found
        else:
            print(f"\n{conclusion(values, {**cost, **found})}", flush=True)
    held = random_control(engine, off, features, 0)
    print(f"\n## Control: as many random features that wake at BOS, held there: {', '.join(map(str, held))}")
    some = (None, *(value for value in values if value not in (None, *plain)))
    show(engine, defences, Evaluation(COST, held, some, (), asked.benign, asked.look_alikes), options.judge)
    ablated = Evaluation("refusal direction ablated", held, some, asked.harmful, base="direction")
    show(engine, defences, ablated, options.judge)


def random_control(engine: Engine, off: Edits, features: Sequence[Feature], seed: int) -> tuple[Feature, ...]:
    """As many others of those that wake at BOS, layer by layer where there are enough."""
    woken = bos_view(engine, off).woken.assign(position=1)  # `random_active` draws after BOS
    return tuple(random_active(woken, features, seed))


def show(engine: Engine, defences: Defences, asked: Evaluation, judge: str) -> dict:
    """Carry one evaluation out and print its table."""
    found = done(engine, defences, asked, judge)
    print(f"\n### Attack: {asked.attack}\n")
    frame = table(asked.values, found)
    print("| " + " | ".join(frame.columns) + " |\n" + "|---" * len(frame.columns) + "|")
    for row in frame.itertuples(index=False):
        print("| " + " | ".join(row) + " |")
    return found


if __name__ == "__main__":
    main()
