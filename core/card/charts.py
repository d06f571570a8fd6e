"""A card's pictures, as SVG that takes its colours from the page: cosine by layer, and scores beside their controls.

Knows: Vega-Lite as plain values, drawn by vl-convert without a browser. Does not know: HTML. Only names of states and
numbers are drawn, never a text of a prompt or an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from core.card.contents import UNEDITED, Case

#: Places in the style sheet's palette: no edit, the edits, then other states.
_COLOURS = [f"var(--series-{n})" for n in range(8)]
_DASHES = [[1, 0], [1, 0], [6, 3], [2, 3], [8, 3, 2, 3], [4, 2], [1, 2], [10, 4]]
_WIDTH = 430


def cosine_chart(case: Case) -> str:
    """Cosine with the refusal direction at the last token, layer by layer, a line a state; empty without one."""
    values = [
        {"layer": layer, "cosine": cosine, "state": state.name}
        for state in case.states
        for layer, cosine in enumerate(state.cosine)
        if cosine == cosine
    ]
    if not values:
        return ""
    names = [state.name for state in case.states]
    legend = {"orient": "top", "title": None, "columns": 3, "symbolStrokeWidth": 2.5, "symbolSize": 400}
    return _svg(
        {
            "width": _WIDTH,
            "height": 200,
            "data": {"values": values},
            "layer": [
                {
                    "data": {"values": [{"zero": 0}]},
                    "mark": {"type": "rule", "color": "var(--soft)"},
                    "encoding": {"y": {"field": "zero", "type": "quantitative"}},
                },
                {
                    "mark": {"type": "line", "strokeWidth": 2.5},
                    "encoding": {
                        "x": {"field": "layer", "type": "quantitative", "axis": {"tickMinStep": 1, "grid": False}},
                        "y": {
                            "field": "cosine",
                            "type": "quantitative",
                            "title": "cosine with the direction",
                            "scale": {"zero": True},
                        },
                        "color": _by_state(names, legend),
                        "strokeDash": {
                            "field": "state",
                            "type": "nominal",
                            "scale": {"domain": names, "range": _DASHES[: len(names)]},
                            "legend": legend,
                        },
                    },
                },
            ],
        },
        "Cosine with the refusal direction by layer",
    )


def score_chart(case: Case) -> str:
    """Each state's refusal score as a dot, its control draws as ticks in the same row."""
    names = [state.name for state in case.states]
    dots = [{"state": state.name, "score": state.refusal_score} for state in case.states]
    ticks = [{"state": c.state, "score": draw.refusal_score} for c in case.controls for draw in c.draws]
    y = {"field": "state", "type": "nominal", "sort": names, "title": None, "scale": {"domain": names}}
    x = {
        "field": "score",
        "type": "quantitative",
        "title": "refusal score: below 0 the model is about to answer",
        "scale": {"zero": True, "nice": True},
    }
    return _svg(
        {
            "width": _WIDTH,
            "height": {"step": 30},
            "layer": [
                {
                    "data": {"values": [{"zero": 0}]},
                    "mark": {"type": "rule", "color": "var(--soft)"},
                    "encoding": {"x": {"field": "zero", "type": "quantitative"}},
                },
                {
                    "data": {"values": ticks},
                    "mark": {"type": "tick", "thickness": 2, "size": 18, "color": "var(--soft)"},
                    "encoding": {"x": x, "y": y},
                },
                {
                    "data": {"values": dots},
                    "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
                    "encoding": {"x": x, "y": y, "color": _by_state(names, None)},
                },
            ],
        },
        "Refusal score of each state, with random controls as ticks",
    )


def _by_state(names: Sequence[str], legend: dict[str, Any] | None) -> dict[str, Any]:
    colours = [_COLOURS[0 if name == UNEDITED else 1 + (n - 1) % 7] for n, name in enumerate(names)]
    scale = {"domain": list(names), "range": colours}
    return {"field": "state", "type": "nominal", "scale": scale, "legend": legend}


def _svg(spec: dict[str, Any], title: str) -> str:
    """Drawn, with a name for who cannot see it. Ids and links that the renderer might write are left out."""
    import vl_convert  # 33 MB of a renderer, which only a page needs

    axis = {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
    }
    config = {
        "font": "sans-serif",
        "view": {"stroke": None},
        "axis": axis,
        "legend": {"labelColor": "currentColor", "labelFontSize": 13, "labelLimit": 200},
    }
    drawn = vl_convert.vegalite_to_svg({**spec, "background": "transparent", "padding": 2, "config": config})
    shown = re.sub(r' xmlns:xlink="[^"]*"', "", drawn)
    return shown.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
