"""Self-repair as a chart, and in words: pure functions from measurements to an Altair chart and to sentences.

Knows: what is drawn and how it is labelled. Does not know: sessions, engines, widgets. Colours are places in the
theme's palette; the parts are bars, the sum is a line and the control is a band, so nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from core.hydra import Repair, SelfRepair
from core.hydra.self_repair import LEAST_FALL
from pages.shared.layered import layered
from pages.shared.text import plain, signed

ATTENTION, MLP, BLOCK, SUM, CONTROL = "attention", "MLP", "block", "sum so far", "random control"
_COLOUR = alt.Scale(domain=["·1", "·2", MLP, ATTENTION, BLOCK, SUM, CONTROL])
_TITLE = "change in the refusal logit"


def bars_frame(found: SelfRepair) -> pd.DataFrame:
    """layer, part, change: what each part above the lowest edited layer gives to the logit, in logits."""
    above = found.blocks[found.blocks["layer"] > found.lowest]
    names = {"attention": ATTENTION, "mlp": MLP} if found.split else {"response": BLOCK}
    parts = [
        pd.DataFrame({"layer": above["layer"], "part": name, "change": above[column]}) for column, name in names.items()
    ]
    return pd.concat(parts, ignore_index=True)


def lines_frame(found: SelfRepair, controls: Sequence[SelfRepair]) -> pd.DataFrame:
    """layer, series, change, low, high: the sum so far, and the control's mean with its lowest and highest draw."""
    start = max(0, found.lowest)
    layers = found.blocks["layer"].to_numpy()[start:]
    own = found.blocks["cumulative"].to_numpy()[start:]
    frames = [pd.DataFrame({"layer": layers, "series": SUM, "change": own, "low": np.nan, "high": np.nan})]
    if controls:
        drawn = np.stack([one.blocks["cumulative"].to_numpy()[start:] for one in controls])
        band = {"change": drawn.mean(0), "low": drawn.min(0), "high": drawn.max(0)}
        frames.append(pd.DataFrame({"layer": layers, "series": CONTROL, **band}))
    return pd.concat(frames, ignore_index=True)


def repair(found: SelfRepair, controls: Sequence[SelfRepair]) -> alt.LayerChart:
    """Bars: what attention and MLP of each block do to the logit. Line: direct effect and all blocks so far."""
    bars, lines = bars_frame(found), lines_frame(found, controls)
    layers = sorted(lines["layer"].unique().tolist())
    x = alt.X(
        "layer:O",
        title="block",
        scale=alt.Scale(domain=layers),
        axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False, domain=False),
    )
    drawn = [*bars["part"].unique(), SUM, *([CONTROL] if controls else [])]
    legend = alt.Legend(orient="top", title=None, values=drawn, symbolOpacity=1, symbolType="square", columns=2)
    part, series = (alt.Color(f"{name}:N", scale=_COLOUR, legend=legend) for name in ("part", "series"))
    own, random = (lines[lines["series"] == name] for name in (SUM, CONTROL))
    zero = pd.DataFrame({"y": [0.0], "series": [CONTROL]})
    places = [
        alt.Chart(zero).mark_rule(opacity=0.6).encode(y=alt.Y("y:Q", title=_TITLE), color=series),
        alt.Chart(random)
        .mark_area(opacity=0.25)
        .encode(x=x, y=alt.Y("low:Q", title=_TITLE), y2="high:Q", color=series),
        alt.Chart(bars)
        .mark_bar(opacity=0.85)
        .encode(
            x=x,
            y=alt.Y("change:Q", title=_TITLE),
            color=part,
            tooltip=[
                alt.Tooltip("layer:O", title="block"),
                alt.Tooltip("part:N"),
                alt.Tooltip("change:Q", title=_TITLE, format="+.3f"),
            ],
        ),
        _line(random, x, series, [4, 3], 1.6),
        _line(own, x, series, [1, 0], 2.4),
    ]
    return layered(*places).properties(height=320)


def _line(frame: pd.DataFrame, x: alt.X, colour: alt.Color, dash: list[int], width: float) -> alt.Chart:
    point = alt.OverlayMarkDef(size=28, filled=True)
    return (
        alt.Chart(frame)
        .mark_line(point=point, strokeDash=dash, strokeWidth=width)
        .encode(
            x=x,
            y=alt.Y("change:Q", title=_TITLE),
            color=colour,
            tooltip=[
                alt.Tooltip("layer:O", title="block"),
                alt.Tooltip("series:N"),
                alt.Tooltip("change:Q", title="sum so far", format="+.3f"),
                alt.Tooltip("low:Q", title="lowest draw", format="+.3f"),
                alt.Tooltip("high:Q", title="highest draw", format="+.3f"),
            ],
        )
    )


def headline(found: SelfRepair) -> str:
    """One sentence with figures: which blocks lower the logit, and which put how much of that back."""
    last = len(found.blocks) - 1
    if found.lowest >= last:
        return "The edit acts at the output of the last block. No block is above it, so none can put anything back."
    if found.deepest >= -LEAST_FALL:
        return (
            f"The refusal logit never falls by more than {LEAST_FALL:g}, neither by the edit itself nor by the blocks "
            "above it, so there is nothing to put back."
        )
    fall = f"{-found.deepest:.1f}"
    if found.deepest_layer == found.lowest:
        lowering = f"The edit itself lowers the refusal logit by {fall}"
    else:
        with_direct = (
            f" and the edit itself (direct effect {signed(found.direct)})" if abs(found.direct) >= 0.05 else ""
        )
        lowering = (
            f"{blocks_named(found.lowest + 1, found.deepest_layer)}{with_direct} lower the refusal logit by {fall}"
        )
        if not with_direct and found.deepest_layer == found.lowest + 1:
            lowering = lowering.replace(" lower the", " lowers the")
    if found.deepest_layer == last:
        return f"{lowering}. No block puts anything back."
    verb = "puts" if found.deepest_layer + 1 == last else "put"
    return f"{lowering}; {blocks_named(found.deepest_layer + 1, last).lower()} {verb} back {found.put_back:.0%}."


def norm_sentence(found: SelfRepair) -> str:
    """What the final norm's own scale makes of it, where that counts; else nothing."""
    if abs(found.normalisation) < 0.05:
        return ""
    way = "lowers" if found.normalisation < 0 else "raises"
    return (
        f"The final norm then {way} the logit by {abs(found.normalisation):.2f}, as its scale is another one in the "
        f"edited run: **in all {signed(found.total)}**."
    )


def control_sentence(repair: Repair) -> str:
    """What the random draws did, in a sentence or two. Draws that do the same are counted once."""
    if not repair.removes:
        return (
            "There is no random control: the ablated features are silent on this prompt wherever the edits act, so "
            "other silent ones would say nothing about them."
        )
    if not repair.controls:
        return f"There is no random control. {repair.about}".strip()
    # As text, since a share that is NaN is equal to no other.
    one_each = {f"{one.deepest:.4f} {one.put_back:.4f}": one for one in repair.controls}.values()
    fall, back = (np.array([getattr(one, name) for one in one_each]) for name in ("deepest", "put_back"))
    defined = back[np.isfinite(back)]
    shares = "no draw lowers it enough for a share put back"
    if len(defined):
        spread = f", {defined.min():.0%} to {defined.max():.0%}" if len(defined) > 1 else ""
        shares = f"put back is {np.median(defined):.0%} in the median of the {len(defined)} draws that lower it{spread}"
    n, drawn = len(one_each), len(repair.controls)
    alike = "" if n == drawn else f" Only {n} of {drawn} draws {'is' if n == 1 else 'are'} different, so n is {n}."
    how = (
        f"Drawn: {plain(repair.about)}"
        if repair.about
        else f"{repair.matched} of {drawn} draws remove as much of the residual stream as the edits where these act, "
        f"within 5% in every layer.{alike}"
    )
    return (
        f"**Random control**: the lowest point is {signed(float(fall.mean()))} on average over {n} "
        f"draw{'s' * (n != 1)} ({signed(float(fall.min()))} to {signed(float(fall.max()))}); {shares}. {how}"
    )


def part_name(part: tuple[int, str]) -> str:
    """“MLP 27”, “attention 24”."""
    return f"{MLP if part[1] == 'mlp' else part[1]} {part[0]}"


def summary(found: SelfRepair) -> str:
    """The chart for those who do not see it."""
    rows = found.blocks.reindex(found.blocks["response"].abs().sort_values(ascending=False).index).head(4)
    largest = ", ".join(f"block {row.layer} {signed(row.response)}" for row in rows.itertuples())
    return f"{headline(found)} Largest responses: {largest}"


def blocks_named(first: int, last: int) -> str:
    """“Block 27”, “Blocks 26–27”."""
    return f"Block {first}" if first == last else f"Blocks {first}–{last}"
