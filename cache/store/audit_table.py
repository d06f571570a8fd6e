"""Stored audits as a table for people: every column as it was stored, and the recovery that follows from them.

Knows: what a stored recovery is derived from. Does not know: the store, files or pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import pandas as pd

from cache.store.audits import Audit
from core.measures.recovery import Gap


def gap_of(audit: Audit) -> Gap | None:
    """How well the audit's reference answer was predicted; None where none was measured."""
    if audit.nll_unedited is None or audit.nll_edited is None or audit.nll_reference is None:
        return None
    return Gap(audit.nll_unedited, audit.nll_edited, audit.nll_reference, bool(audit.nll_floor))


def audit_table(audits: Sequence[Audit]) -> pd.DataFrame:
    """A row for each audit: the columns of `Audit`, then `recovery`, NaN where there is none. It is of the one prompt;
    where nll_floor is true, the true recovery is further from 0."""
    names = [field.name for field in fields(Audit)]
    frame = pd.DataFrame([[getattr(one, name) for name in names] for one in audits], columns=names)
    gaps = [gap_of(one) for one in audits]
    return frame.assign(recovery=[float("nan") if gap is None else gap.recovery for gap in gaps])
