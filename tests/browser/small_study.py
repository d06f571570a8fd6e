"""A small study for the browser tests, written into a server's store before it serves. Knows: items. Not: browsers."""

from __future__ import annotations

from cache.store.database import shared_store
from cache.store.studies import Studies
from core.labels.contexts import Context
from core.study.answers import NONE
from core.study.items import Study, StudyItem
from core.study.taxonomy import FIVE

TRUTHS = ((), FIVE[:1], FIVE[:2], FIVE[3:4], (), FIVE[2:])


def make_study() -> None:
    """One item for training and five others, in the server's store."""
    items = [
        StudyItem(
            "main" if n else "training",
            "pipeline" if n % 2 else "random active",
            frozenset(truth or [NONE]),
            f"1-{n}",
            f"what feature ⟦{n}⟧ fires on <i>",
            "one, two",
            tuple(Context("the words before", f" token{n}", " & the words <b>after</b>", 9.5 - k) for k in range(5)),
        )
        for n, truth in enumerate(TRUTHS)
    ]
    Studies(shared_store()).create(Study("pilot", "features", FIVE, tuple(items), "tiny"))
