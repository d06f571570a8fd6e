"""Audits and named edit sets in the store: what one prompt, or the last of a conversation, gave under one edit set,
offered again later.

Knows: the tables of migration 1 and what was added to them. Does not know: how anything is measured, or pages.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple, TypeVar

from cache.store.database import Store, now
from core.models.digest import Digests
from core.prompts.conversation import Conversation, PromptLike, Turn
from core.text.json_text import json_text, json_value


@dataclass(frozen=True)
class Audit:
    """One audited prompt under one edit set; the columns of `audits` in order.

    Scores are log-odds of the refusal tokens, `p_` their probabilities. kl: mean nats over kl_prompts benign prompts,
    kl_low and kl_high its 95% interval over them. nll_…: of a reference answer to the prompt, nats a token, without the
    edits, with them, and under the model that wrote it; nll_floor: whether the last is not known and counted as 0.
    reference_by: who wrote it. All None where they were not measured, as in rows from before they were kept.
    turns: what was said before the prompt, as `written_turns` writes it; empty for a single prompt, as in rows from
    before it was kept. thinking: whether the model was let think first; None where it has no switch for that, or it was
    not kept. system: the words of the system block; None as the chat template writes it, empty where it was left out.
    weights, sae_digests: what the model's files and its SAEs' held, as `core.models.digest` has it; both empty in rows
    from before they were kept.
    """

    made_at: datetime  # UTC, without a time zone
    model: str
    revision: str
    dtype: str
    device: str
    direction: str
    prompt: str
    edits: str
    score_before: float
    score_after: float
    p_before: float
    p_after: float
    kl: float | None
    kl_prompts: int
    verdict_before: str
    verdict_after: str
    tokens: int
    answer_before: str | None = None
    answer_after: str | None = None
    judge: str = ""  # empty where no answer was generated
    judge_revision: str = ""
    kappa: float | None = None
    kappa_n: int | None = None
    kl_low: float | None = None
    kl_high: float | None = None
    nll_unedited: float | None = None
    nll_edited: float | None = None
    nll_reference: float | None = None
    nll_floor: bool | None = None
    reference_by: str = ""
    turns: str = ""
    thinking: bool | None = None
    system: str | None = None
    weights: str = ""
    sae_digests: str = ""

    @property
    def earlier(self) -> tuple[Turn, ...]:
        """What was said before the prompt; nothing before a single prompt."""
        said = json_value(self.turns) if self.turns else ()
        return tuple(Turn(("user", "assistant")[place % 2], text) for place, text in enumerate(said))

    @property
    def asked(self) -> PromptLike:
        """What the model was asked: the prompt, or the whole conversation that ends with it."""
        return Conversation((*self.earlier, Turn("user", self.prompt))) if self.turns else self.prompt


class SavedSet(NamedTuple):
    """Edits kept under a name, as in a link, and the files that were loaded then, as `Audit` has them."""

    name: str
    edits: str
    weights: str
    sae_digests: str


def written_turns(asked: PromptLike) -> str:
    """The turns before what is asked, as `Audit.turns` keeps them: their texts, JSON, the user's first."""
    earlier = () if isinstance(asked, str) else asked.history
    return json_text([turn.text for turn in earlier], ascii_only=False) if earlier else ""


_COLUMNS = ", ".join(field.name for field in fields(Audit))
_SAME_AUDIT = attrgetter("weights", "sae_digests", "prompt", "turns", "thinking", "system", "edits")
_SAME_SET = attrgetter("name", "weights", "sae_digests")
#: Rows that are looked at first for each that is wanted.
_LOOK_AT = 8
_Row = TypeVar("_Row")


# Every rerun of a page asks for the first rows of each kind. In SQL that is `qualify row_number() over (partition …)`,
# but a window function of DuckDB 2.0.0 leaves 4 kB of memory behind each time.
def _first_of_each(rows: Iterable[_Row], same: Callable[[_Row], Hashable]) -> list[_Row]:
    """Of rows that are the same the first."""
    found: dict[Hashable, _Row] = {}
    for row in rows:
        found.setdefault(same(row), row)
    return list(found.values())


class Audits:
    """All audits and named edit sets in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def append(self, audit: Audit) -> None:
        """Add one row."""
        self.store.insert("audits", [astuple(audit)])

    def recent(self, model: str, limit: int = 8) -> list[Audit]:
        """The last audits of `model`, newest first, one for each thing that was asked, edit set and the files it was
        measured with."""
        query = f"select {_COLUMNS} from audits where model = ? order by rowid desc limit ?"
        looked_at = _LOOK_AT * limit
        while True:
            rows = self.store.rows(query, [model, looked_at])
            found = _first_of_each([Audit(*row) for row in rows], _SAME_AUDIT)
            if len(found) >= limit or len(rows) < looked_at:
                return found[:limit]
            looked_at *= 8

    def all(self, model: str) -> list[Audit]:
        """Every audit of `model` that was ever appended, newest first."""
        query = f"select {_COLUMNS} from audits where model = ? order by rowid desc"
        return [Audit(*row) for row in self.store.rows(query, [model])]

    def count(self) -> int:
        """How many audits were ever appended."""
        return int(self.store.rows("select count(*) from audits")[0][0])

    def save_set(self, model: str, digests: Digests, name: str, edits: str) -> str:
        """Keep an edit set under a name, and return the name: where another set of these files has it, a number is put
        behind, so that none takes another's place. What was saved under it with other files stays beside it. digests:
        the files that are loaded now."""
        files = digests.weights, digests.sae_text
        known = {one.name: one.edits for one in self.saved_sets(model) if (one.weights, one.sae_digests) == files}
        free, number = name, 2
        while known.get(free, edits) != edits:
            free, number = f"{name} ({number})", number + 1
        self.store.insert("saved_sets", [(now(), model, free, edits, *files)])
        return free

    def saved_sets(self, model: str) -> list[SavedSet]:
        """All sets of `model`, newest first; a name can be there once for each set of files."""
        query = f"select {', '.join(SavedSet._fields)} from saved_sets where model = ? order by rowid desc"
        return _first_of_each([SavedSet(*row) for row in self.store.rows(query, [model])], _SAME_SET)
