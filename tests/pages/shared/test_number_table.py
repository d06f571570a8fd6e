"""Numbers of a table as people read them, and still as numbers."""

from __future__ import annotations

import math

import pandas as pd

from pages.shared.number_table import with_true_minus


def test_minus_signs_are_true_and_the_numbers_stay_numbers():
    frame = pd.DataFrame({"score": [-1.234, 2.0, math.nan], "share": [-0.5, 0.25, 1.0], "name": ["a-b", "c", "d"]})
    styled = with_true_minus(frame, {"score": "+.2f", "share": ".1%", "absent": ".1f"})
    shown = styled.to_html()
    assert "−1.23" in shown and "+2.00" in shown and "−50.0%" in shown and "nan" not in shown
    assert "a-b" in shown, "text is left alone"
    assert styled.data.equals(frame)
