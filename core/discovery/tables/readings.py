"""The readings of the paper that a run took, as a table of its report.

Knows: readings. Does not know: what came of them.
"""

from __future__ import annotations

import pandas as pd

from core.discovery.readings import readings
from core.discovery.settings import Settings
from core.discovery.tables.table import Table


def chosen(settings: Settings) -> Table:
    rows = [
        {
            "about": reading.about,
            "the paper": reading.paper,
            "this run": reading.chosen,
            "also possible": reading.other,
            "setting": reading.setting,
        }
        for reading in readings(settings)
    ]
    note = "Where the paper can be read in several ways. A setting chooses; the run keeps its settings."
    return Table("readings", "Readings that had to be chosen", "", pd.DataFrame(rows), note)
