"""The comparison of pinned sets as one picture: answers side by side, the layer chart, and the address under it.

Knows: what is drawn where. Does not know: how anything is measured. Texts are marks of a chart, so nothing in a prompt
or an answer is read as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import Engine, __version__
from core.prompts.conversation import PromptLike
from pages.audit import charts
from pages.audit.comparison import NOW, State
from pages.audit.wrapped import wrapped
from pages.shared import measurements
from pages.shared.text import signed
from pages.shared.verdicts import agreement
from pages.shared.workspace import session
from pages.shared.workspace.address import link_to

#: Pixels of a column, of the space to its right, and from line to line; font sizes of the prompt and of all else.
_COLUMN, _GAP, _LEADING, _LARGE, _SMALL = 240, 12, 16, 15, 12
#: Lines at most: of an answer, of an edit set in words, of the prompt, and of each turn before it.
_ANSWER, _EDITS, _PROMPT, _TURN = 12, 3, 12, 3
_GROUND, _INK, _GREY = "#fcfcfb", "#1e2732", "#4b5764"


def button(place: DeltaGenerator, engine: Engine, key: str, states: Sequence[State]) -> None:
    """“Picture”: made when it is clicked."""
    now = session.current()
    address = link_to(now).url(st.context.url or "")
    about = f"{engine.spec.name} on {engine.device}, {engine.dtype}. One prompt. {agreement()} Hydrascope {__version__}"

    def make() -> bytes:
        layers = None
        if engine.has_direction:
            cosines = {one.name: one.side.cosine for one in states[1:]}
            lines = charts.line_frame(states[0].side.cosine, cosines.pop(NOW, None), cosines)
            layers = charts.layer_chart(measurements.bands(engine, key), lines, engine.direction().layer)
        return png(now.asked, states, layers, about, address)

    place.download_button(
        "Picture",
        make,
        "hydrascope-comparison.png",
        "image/png",
        key="compared_picture",
        icon=":material/image:",
        type="tertiary",
        on_click="ignore",
        help="Download this comparison as one picture, with the link to this view under it",
    )


def png(asked: PromptLike, states: Sequence[State], layers: alt.LayerChart | None, about: str, address: str) -> bytes:
    """The picture. layers: the chart of `charts.layer_chart`; about: model, judge; address: the link to this view,
    which is there whole. Where another text is too long, it ends with “…”."""
    import vl_convert  # 33 MB of a renderer, which only a click on the button needs

    width = max(_COLUMN * len(states), 2 * _COLUMN)
    prompt = asked if isinstance(asked, str) else asked.text
    parts: list[alt.LayerChart | alt.FacetChart | alt.HConcatChart] = [
        _text(wrapped(prompt, width, _LARGE, bold=True, most=_PROMPT) or [""], width, size=_LARGE, bold=True),
        alt.hconcat(*[_column(one, states[0]) for one in states], spacing=0),
    ]
    if not isinstance(asked, str):
        before = [f"After {len(asked.history)} earlier messages of the conversation:"]
        for role, text in asked.history:
            before += wrapped(f"{role}: {text}", width, _SMALL, most=_TURN)
        parts.insert(0, _text(before, width, colour=_GREY))
    if layers is not None:
        layers = layers.copy()
        layers.padding = alt.Undefined  # of the page's chart; a part of another chart may have none
        parts.append(layers.properties(width=width - 130, title="Cosine with the refusal direction, layer by layer"))
    parts.append(_text([*wrapped(about, width, _SMALL), *wrapped(address, width, _SMALL)], width, colour=_GREY))
    palette = list(st.get_option("theme.light.chartCategoricalColors"))
    with alt.theme.enable("default"):
        chart = (
            alt.vconcat(*parts, spacing=14, background=_GROUND, padding=18)
            .configure(font="sans-serif", range=alt.RangeConfig(category=palette))
            .configure_view(stroke=None)
            .configure_title(anchor="start", fontSize=13, color=_INK)
        )
        return bytes(vl_convert.vegalite_to_png(chart.to_dict(), scale=2))


def _column(one: State, first: State) -> alt.LayerChart | alt.FacetChart:
    score = signed(one.side.score)
    if one.edits:
        score += f" ({signed(one.side.score - first.side.score)})"
    room = _COLUMN - _GAP
    lines = [one.name, *wrapped(one.edits.describe(), room, _SMALL, most=_EDITS), f"refusal score {score}"]
    if one.cost is not None and one.edits:
        lines.append(f"KL, benign {one.cost.kl:.3f}")
    lines.append(f"verdict: {one.verdict or 'not known yet'}")
    lines += ["", *wrapped(one.answer or "", room, _SMALL, most=_ANSWER)]
    return _text(lines, _COLUMN, rows=_ANSWER + _EDITS + 5)


def _text(
    lines: Sequence[str], width: int, size: int = _SMALL, bold: bool = False, colour: str = _INK, rows: int = 0
) -> alt.LayerChart | alt.FacetChart:
    """Lines of text from the top left; the first of a column in bold."""
    leading = max(_LEADING, size + 4)
    height = leading * max(rows, len(lines))
    frame = pd.DataFrame({"text": list(lines), "row": [leading * n for n in range(len(lines))]})
    frame["bold"] = [bold or (rows > 0 and n == 0) for n in range(len(lines))]
    y = alt.Y("row:Q", axis=None, scale=alt.Scale(domain=[0, height], range=[0, height]))
    base = alt.Chart(frame).encode(x=alt.value(0), y=y, text="text:N")
    mark: dict[str, Any] = {"align": "left", "baseline": "top", "fontSize": size, "color": colour}
    return alt.layer(
        base.transform_filter("datum.bold").mark_text(**mark, fontWeight="bold"),
        base.transform_filter("!datum.bold").mark_text(**mark),
        width=width,
        height=height,
    )
