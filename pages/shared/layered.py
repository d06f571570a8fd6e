"""Charts over each other. Knows: Altair's type for that. Does not know: what is drawn."""

from __future__ import annotations

import altair as alt


def layered(*charts: alt.Chart | alt.LayerChart) -> alt.LayerChart:
    """`alt.layer` for charts without facets: only with facets would it be anything else than a LayerChart."""
    found = alt.layer(*charts)
    assert isinstance(found, alt.LayerChart)
    return found
