"""What each step of the guided tour says: pure functions from what was measured to one or two short sentences.

Knows: the numbers and what they mean. Does not know: whether they were stored or measured now, engines, widgets.
Nothing is said here that the numbers do not show.
"""

from __future__ import annotations

import pandas as pd

from core import Edits
from core.hydra import HeldParts, Repair, SelfRepair, Wakening
from core.hydra.groups import DRAWS
from core.hydra.self_repair import LEAST_FALL
from core.hydra.tour import Answers, Spoken
from pages.hydra import repair_charts
from pages.shared.text import counted, signed

_OUTCOMES = {
    "refused": "It still refuses.",
    "complied": "It does what was asked now, or begins to.",
    "off-topic": "It does not refuse any more, but it does not answer the request either.",
    "degenerate": "It does not refuse any more, but what it writes is broken text and no answer.",
    "undetermined": "It was cut off before anything can be said.",
}
#: A direct effect is small beside the fall when it is less than this share of it.
_SMALL = 0.25
#: What is put back is called a hydra from this share of the fall on.
_MUCH = 0.25


def switched_off(edits: Edits) -> str:
    """“5 features of layer 13”, “30 features of 10 layers”."""
    layers = sorted({feature.layer for feature in edits.features})
    where = f"layer {layers[0]}" if len(layers) == 1 else counted(len(layers), "layer")
    return f"{counted(len(edits.features), 'feature')} of {where}"


def unedited(found: Answers) -> str:
    """The model before anything is switched off."""
    one = found.before
    about = "The model is about to refuse" if one.score > 0 else "The model is not about to refuse"
    return f"**{about}**: its refusal score is {signed(one.score)}, and above 0 is a refusal. {_judged(one)}"


def edited(found: Answers, edits: Edits) -> str:
    """The same under the edits."""
    before, after = found.before.score, found.after.score
    way = "falls" if after < before else "rises"
    return (
        f"**{switched_off(edits)}**, those nearest the refusal direction, are switched off. The score {way} from "
        f"{signed(before)} to {signed(after)}. {_judged(found.after)} {_OUTCOMES[found.after.verdict]}"
    )


def _judged(one: Spoken) -> str:
    return f"Its answer is judged **{one.verdict}**."


def fall(repair: Repair) -> str:
    """Who lowers the refusal logit."""
    found = repair.found
    if _nothing_falls(found) or found.deepest_layer == found.lowest:
        return repair_charts.headline(found)
    blocks = repair_charts.blocks_named(found.lowest + 1, found.deepest_layer)
    only = "only " if abs(found.direct) < -_SMALL * found.deepest else ""
    verb = "brings" if found.deepest_layer == found.lowest + 1 else "bring"
    return (
        f"The switched-off features themselves change the refusal logit by {only}{signed(found.direct)}. "
        f"**{blocks}**, which read the edited stream, {verb} that to **{signed(found.deepest)}**."
    )


def put_back(repair: Repair) -> str:
    """Who puts back, how much of it lasts, and what random features do."""
    found = repair.found
    last = len(found.blocks) - 1
    if _nothing_falls(found) or found.deepest_layer == last:
        return repair_charts.headline(found)
    blocks = repair_charts.blocks_named(found.deepest_layer + 1, last)
    verb = "puts" if found.deepest_layer + 1 == last else "put"
    writes = found.blocks.set_index("layer")
    raising = [part for part in found.restoring(2 * len(writes)) if part[0] > found.deepest_layer]
    largest = [f"{repair_charts.part_name(part)} ({signed(writes.loc[part[0], part[1]])})" for part in raising[:2]]
    most = f", most of it by {' and '.join(largest)}" if largest else ""
    said = f"**{blocks} {verb} back {found.put_back:.0%}** of the fall{most}."
    if found.put_back >= _MUCH and all(found.deepest < one.deepest for one in repair.controls):
        said += " This is the hydra: self-repair."
    elif found.put_back >= _MUCH:
        said += " But under random features the logit falls as far, so this need not be about refusal."
    return f"{said} {_what_lasts(found)}".strip()


def _what_lasts(found: SelfRepair) -> str:
    """The final norm, where it takes back much of what was put back."""
    gained, left = found.end - found.deepest, found.total - found.deepest
    if found.normalisation >= 0 or left > gained / 2:
        return ""
    lost = "all" if left <= 0 else "most"
    return (
        f"But the final norm then changes the logit by {signed(found.normalisation)} and takes {lost} of that away: "
        f"in all {signed(found.total)}."
    )


def held(found: HeldParts | None) -> str:
    """What becomes of the refusal when the repairers are held."""
    if found is None:
        return "No attention or MLP above the edits raises the refusal logit, so there is nothing to hold."
    *first, last = map(repair_charts.part_name, found.parts)
    names = f"{', '.join(first)} and {last}" if first else last
    edit, cut, others = found.score["edited"], found.score["held"], found.score_control
    said = (
        f"**{names}** now have to write what they wrote before the features were switched off. The score goes from "
        f"{signed(edit)} to **{signed(cut)}**"
    )
    if not len(others):
        return f"{said}. There are no other parts to compare with."
    said += f"; with as many other parts held it is {signed(float(others.mean()))}. "
    if cut >= min(edit, float(others.min())):
        return f"{said}That is not below every draw of other parts, so here they were not keeping the refusal up."
    if edit > 0 > cut:
        return f"{said}They were keeping the refusal up: the answer would most likely not begin with a refusal now."
    return f"{said}That is below every draw of other parts: they were working against the edits."


def woken(found: Wakening) -> str:
    """How many dormant features wake."""
    total, at_bos = len(found.woken), int(found.woken["bos_only"].sum())
    if not total:
        return "**No feature woke.** Every feature that was silent on this prompt stayed silent."
    places = f": {total - at_bos:,} on this prompt’s tokens, {at_bos:,} at BOS only" if at_bos else ""
    return (
        f"**{counted(total, 'silent feature')} woke** (circles){places}. Squares show where the switched-off features "
        "fired before."
    )


def matters(frame: pd.DataFrame) -> str:
    """Whether ablating what woke changes more than random features do."""
    if frame.empty:
        return "No feature woke, so there is nothing to test."
    below = frame[frame["difference"] < frame["control_low"]]
    largest = (below if len(below) else frame).sort_values("difference").iloc[0]
    changes = f"{largest['group']}: {signed(largest['difference'])}, random {signed(largest['control'])}"
    said = "**Switch the woken features off too**, a layer at a time (bars), beside as many random ones (lines). "
    falls = f"{len(below)} of {len(frame)} layers the score falls" if len(below) else ""
    falls = falls or f"none of {counted(len(frame), 'layer')} does the score fall"
    said += f"In {falls} below every random draw ({changes})"
    if len(below) * (DRAWS + 1) <= len(frame):  # the lowest of a group and its draws is the group once in so many
        chance = ", no more than chance gives" if len(below) else ""
        return f"{said}{chance}. They woke, but on this prompt they hardly matter."
    return f"{said}: there the woken features hold up some of the refusal."


def dose(frame: pd.DataFrame) -> str:
    """From which strength on the score is below 0."""
    under = frame[frame["score"] < 0]
    full = frame.loc[(frame["strength"] - 1).abs().idxmin()]
    if under.empty:
        crossed = f"The score stays above 0 up to strength {frame['strength'].iloc[-1]:g}"
    elif frame["score"].iloc[0] < 0:
        crossed = "The score is below 0 without any edit"
    else:
        crossed = f"The score falls below 0 at strength {under['strength'].iloc[0]:g}"
    more = " The further they are off, the more silent features wake." if frame["woken"].is_monotonic_increasing else ""
    return (
        f"**The same features, switched off by degrees.** {crossed}; at 1, fully off, it is "
        f"{signed(full['score'])}.{more}"
    )


def _nothing_falls(found: SelfRepair) -> bool:
    return found.lowest >= len(found.blocks) - 1 or found.deepest >= -LEAST_FALL
