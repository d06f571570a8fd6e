"""Stored audits as a table for people: every column as it was stored, and the recovery that follows from them.

Knows: what a stored recovery is derived from, which files are loaded. Does not know: the store, files or pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import pandas as pd

from cache.store.audits import Audit
from cache.store.provenance import OfFiles, changed_files
from core.edits.named_layers import named_layers
from core.measures.recovery import Gap
from core.models.digest import Digests

AS_LOADED, NOT_KNOWN = "as loaded", "not known"


def gap_of(audit: Audit) -> Gap | None:
    """How well the audit's reference answer was predicted; None where none was measured."""
    if audit.nll_unedited is None or audit.nll_edited is None or audit.nll_reference is None:
        return None
    return Gap(audit.nll_unedited, audit.nll_edited, audit.nll_reference, bool(audit.nll_floor))


def files_of(stored: OfFiles, edits: str, digests: Digests) -> str:
    """Which files an audit or a saved set is of: `AS_LOADED`, “other SAEs (layer 2)”, or `NOT_KNOWN` where none were
    kept. edits: only SAEs of features that they name count. digests: of the files that are loaded."""
    if not (stored.weights or stored.sae_digests):
        return NOT_KNOWN
    changed = changed_files(stored, digests, named_layers(edits.split(",")))
    return f"other {changed}" if changed else AS_LOADED


def audit_table(audits: Sequence[Audit], digests: Digests | None) -> pd.DataFrame:
    """A row for each audit: the columns of `Audit`, then `recovery`, NaN where there is none. It is of the one prompt;
    where nll_floor is true, the true recovery is further from 0. Then `files`, as `files_of` has it. digests: of the
    files that are loaded; None where none are, and then `files` is not known."""
    names = [field.name for field in fields(Audit)]
    frame = pd.DataFrame([[getattr(one, name) for name in names] for one in audits], columns=names)
    gaps = [gap_of(one) for one in audits]
    return frame.assign(
        recovery=[float("nan") if gap is None else gap.recovery for gap in gaps],
        files=[NOT_KNOWN if digests is None else files_of(one, one.edits, digests) for one in audits],
    )
