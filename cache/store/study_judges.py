"""What judges have said of a study's answers, for κ of people with a judge.

Knows: stored judgements. Does not know: how anything is judged; answers that no judge has judged are judged on the page
Judges, or with `hydrascope judge`.
"""

from __future__ import annotations

from cache.store.database import Store
from cache.store.judgements import Judgements
from cache.store.pairs import Pair
from core.study.items import Study


def verdicts_of_judges(store: Store, study: Study) -> dict[str, list[str | None]]:
    """judge → its verdict on each main item, None where it gave none; no judge for a study of features."""
    if study.kind != "answers":
        return {}
    items = [study.items[number] for number in study.main]
    stored = Judgements(store).stored([Pair(item.prompt, item.answer) for item in items])
    found = {one.judge: [judged.verdict if judged else None for judged in one.judgements] for one in stored}
    return {name: list(verdicts) for name, verdicts in found.items() if any(verdicts)}
