"""Whether all text can be read in both themes: 4.5 to 1, as for text (WCAG 2.1, 1.4.3).

From the theme's file, the pages' style sheet and what Streamlit makes of the theme's colours: text of a colour is its
colour made darker in the light and lighter in the dark, a badge's ground is a tint of it. Text that cannot be clicked
now (a disabled button) is exempt there and here; so are icons and marks of charts, for which 3 to 1 is enough.
"""

import colorsys
import re
import tomllib
from itertools import product
from pathlib import Path

import pytest

from core.paths import PROGRAM_FOLDER
from pages.audit import charts as audit_charts
from pages.shared import style
from pages.shared.tokens import MOST_TINT
from pages.shared.verdicts import LOOKS
from tests.contrast import contrast, tinted

THEME = tomllib.loads((PROGRAM_FOLDER / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
CSS = Path(style.__file__).with_name("style.css").read_text(encoding="utf-8")
ENOUGH = 4.5
COLOURS = ("red", "orange", "yellow", "blue", "green", "violet", "gray")
GROUNDS = ("backgroundColor", "secondaryBackgroundColor")
#: How opaque Streamlit's tint of a colour is behind a badge, an alert or a metric's change.
BADGE = {"light": 0.1, "dark": 0.2}
#: How opaque Streamlit's tint of the primary colour is behind a chip that is on: as it stands, and under the pointer.
TINTS = (0.1, 0.2)
#: The two meanings, as the pages tint tokens and contexts with them.
REFUSAL, COMPLIANCE = "#d55e00", "#0072b2"

themes = pytest.mark.parametrize("name", ["light", "dark"])


def _text_of(name: str, colour: str) -> str:
    """The text colour that Streamlit makes of a theme's colour."""
    value = THEME[name][colour]
    hue, lightness, saturation = colorsys.rgb_to_hls(*(int(value[at : at + 2], 16) / 255 for at in (1, 3, 5)))
    lightness += -0.15 if name == "light" else 0.15
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, lightness, saturation))


def _opacities() -> list[float]:
    """Of all text that the style sheet makes fainter: a cursor is none."""
    rules = re.findall(r"([^{}]+){([^{}]*)}", re.sub(r"/\*.*?\*/", "", CSS, flags=re.DOTALL))
    found = [
        float(value) for head, body in rules for value in re.findall(r"opacity: ([\d.]+)", body) if "::" not in head
    ]
    mixed = re.findall(r"[^-]color: color-mix\(in srgb, currentColor (\d+)%", CSS)
    return found + [int(share) / 100 for share in mixed]


@themes
@pytest.mark.parametrize("tint", TINTS)
@pytest.mark.parametrize("kind", ["pills", "segmented_control"])
def test_a_chip_that_is_on_can_be_read(name, tint, kind):
    theme = THEME[name]
    rule = rf'button\[data-variant="{kind}"\]\[data-selected\]:not\(:disabled\)[^}}]*{{ color: inherit; }}'
    text = theme["textColor"] if re.search(rule, CSS) else theme["primaryColor"]
    assert contrast(text, tinted(theme["backgroundColor"], theme["primaryColor"], tint)) >= ENOUGH


@themes
@pytest.mark.parametrize("colour", ["textColor", "linkColor", "grayColor"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_text_can_be_read_on_both_grounds(name, colour, ground):
    assert contrast(THEME[name][colour], THEME[name][ground]) >= ENOUGH


@themes
def test_code_and_the_heads_of_tables_can_be_read(name):
    theme = THEME[name]
    assert contrast(theme["codeTextColor"], theme["codeBackgroundColor"]) >= ENOUGH
    assert contrast(theme["dataframeHeaderTextColor"], theme["dataframeHeaderBackgroundColor"]) >= ENOUGH


@themes
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("ground", GROUNDS)
def test_coloured_text_badges_and_captions_can_be_read(name, colour, ground):
    """`:red[…]`, a badge, an alert, a metric's change; and coloured words in a caption."""
    text, under = _text_of(name, f"{colour}Color"), THEME[name][ground]
    assert contrast(text, under) >= ENOUGH
    assert contrast(text, tinted(under, THEME[name][f"{colour}Color"], BADGE[name])) >= ENOUGH
    caption = float(re.search(r'\[data-testid="stCaptionContainer"\] { opacity: ([\d.]+)', CSS)[1])
    assert contrast(tinted(under, text, caption), under) >= ENOUGH


def test_every_verdict_has_a_colour_that_is_counted_here():
    assert {colour for _, _, colour in LOOKS.values()} <= set(COLOURS)


@themes
@pytest.mark.parametrize(("ground", "share"), list(product(GROUNDS, _opacities())))
def test_faint_text_can_be_read(name, ground, share):
    """Also on the tint that is behind an answer."""
    theme = THEME[name]
    for under in (theme[ground], tinted(theme[ground], theme["textColor"], 0.04)):
        assert contrast(tinted(under, theme["textColor"], share), under) >= ENOUGH


@themes
@pytest.mark.parametrize("colour", [REFUSAL, COMPLIANCE])
def test_a_tinted_token_can_be_read(name, colour):
    theme, mark = THEME[name], int(re.search(r"background: color-mix\(in srgb, #d55e00 (\d+)%", CSS)[1]) / 100
    for tint in (MOST_TINT, mark):
        assert contrast(theme["textColor"], tinted(theme["backgroundColor"], colour, tint)) >= ENOUGH
    assert "color" not in re.search(r"\.hs-muted \.hs-chip {([^}]*)}", CSS)[1]


@themes
def test_buttons_and_what_streamlit_writes_in_the_primary_colour_can_be_read(name):
    """White on a primary button. Tabs and a slider's number would be in the primary colour itself."""
    theme = THEME[name]
    assert contrast("#ffffff", theme["primaryColor"]) >= ENOUGH
    rule = '[data-testid="stTab"][aria-selected="true"], [data-testid="stSliderThumbValue"] { color: inherit; }'
    assert rule in CSS or contrast(theme["primaryColor"], theme["secondaryBackgroundColor"]) >= ENOUGH
    assert contrast(theme["primaryColor"], theme["backgroundColor"]) >= 3  # a switch that is on


@themes
def test_text_in_charts_can_be_read(name):
    """Axes and legends; names at the lines' ends and notes, in the palette's slate whatever colour their lines are."""
    assert contrast(style.CHART_TEXT[name == "dark"], THEME[name]["backgroundColor"]) >= ENOUGH
    place = audit_charts.PLACES.index(audit_charts.BEFORE)
    assert contrast(THEME[name]["chartCategoricalColors"][place], THEME[name]["backgroundColor"]) >= ENOUGH


def test_no_chart_writes_in_the_colour_of_what_it_names():
    frame = audit_charts.line_frame([0.1, 0.2], [0.0, 0.1], {"A": [0.0, 0.3]})
    bands = {"kind": ["harmful", "benign"] * 2, "layer": [0, 0, 1, 1], "low": 0.0, "median": 0.1, "high": 0.2}
    chart = audit_charts.layer_chart(audit_charts.pd.DataFrame(bands), frame, 1).to_dict()
    texts = [layer for layer in chart["layer"] if layer["mark"]["type"] == "text"]
    assert len(texts) == 2
    for layer in texts:
        field = layer["encoding"]["color"]["field"]
        values = {row.get(field) for row in chart["datasets"][layer["data"]["name"]]}
        calculated = [step["calculate"] for step in layer.get("transform", []) if step["as"] == field]
        assert calculated == [f"'{audit_charts.BEFORE}'"] or values == {audit_charts.BEFORE}


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#777777", "#777777") == 1
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert tinted("#000000", "#ffffff", 0.1) == "#1a1a1a"
    # Chromium's Streamlit has #702d00 and #c5ccd3.
    assert _text_of("light", "redColor") == "#722e00" and _text_of("dark", "grayColor") == "#c5cbd2"
