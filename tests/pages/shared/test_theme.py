"""Whether text can be read in both themes: contrasts from the theme's file and the pages' style sheet."""

import re
import tomllib
from pathlib import Path

import pytest

from core.paths import PROGRAM_FOLDER
from pages.shared import style
from tests.contrast import contrast, tinted

THEME = tomllib.loads((PROGRAM_FOLDER / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
CSS = Path(style.__file__).with_name("style.css").read_text(encoding="utf-8")
#: How opaque Streamlit's tint of the primary colour is behind a chip that is on: as it stands, and under the pointer.
TINTS = (0.1, 0.2)


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("tint", TINTS)
@pytest.mark.parametrize("kind", ["pills", "segmented_control"])
def test_a_chip_that_is_on_can_be_read(name, tint, kind):
    """4.5 to 1, as for text (WCAG 2.1, 1.4.3)."""
    theme = THEME[name]
    rule = rf'button\[data-variant="{kind}"\]\[data-selected\]:not\(:disabled\)[^}}]*{{ color: inherit; }}'
    text = theme["textColor"] if re.search(rule, CSS) else theme["primaryColor"]
    assert contrast(text, tinted(theme["backgroundColor"], theme["primaryColor"], tint)) >= 4.5


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("colour", ["textColor", "linkColor", "grayColor"])
@pytest.mark.parametrize("ground", ["backgroundColor", "secondaryBackgroundColor"])
def test_text_can_be_read_on_both_grounds(name, colour, ground):
    assert contrast(THEME[name][colour], THEME[name][ground]) >= 4.5


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#777777", "#777777") == 1
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert tinted("#000000", "#ffffff", 0.1) == "#1a1a1a"
