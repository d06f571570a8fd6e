"""Studies in the store: what is asked, and every click of every annotator.

Knows: the tables of migration 11. Does not know: how a study is made (`core.study.making`), what it comes to, pages. A
click is on disk before the page is drawn again, so a reload, a restart or a closed tab loses nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from cache.store.database import Store, now
from core.errors import InputError
from core.study.answers import Choice
from core.study.items import KINDS, Annotation, Kind, Study, item_from_json, items_to_json
from core.text.json_text import json_text, json_value

#: Letters of an annotator's name, at most.
LONGEST_NAME = 40


class Listed(NamedTuple):
    """A study in a list. items: those that count, the training left out; annotators: who has chosen anything."""

    study: str
    made_at: datetime
    name: str
    kind: Kind
    model: str
    items: int
    annotators: tuple[str, ...]


class Studies:
    """All studies in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self, study: Study) -> str:
        """Write down a study and give its identifier. Raises InputError where its name is taken."""
        self.check_new(study.name)
        made = now()
        identifier = f"{made:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        values = (json_text(value, ascii_only=False) for value in (study.labels, dict(study.facts), study.notes))
        items = [(made, identifier, number, text) for number, text in enumerate(items_to_json(study.items))]
        # The study itself last: what is only half there is in no list.
        self.store.insert("study_items", items)
        self.store.insert("studies", [(made, identifier, study.name.strip(), study.kind, study.model, *values)])
        return identifier

    def check_new(self, name: str) -> None:
        """Raises InputError where a study has this name already."""
        if any(one.name == name.strip() for one in self.all()):
            raise InputError(f"There is already a study called “{name.strip():.60}”. Choose another name.")

    def all(self) -> list[Listed]:
        """Every study, newest first."""
        query = """
            select s.study, s.made_at, s.name, s.kind, s.model,
                   (select count(*) from study_items i
                    where i.study = s.study and json_extract_string(i.value, 'part') = 'main'),
                   (select list(distinct a.annotator order by a.annotator) from study_annotations a
                    where a.study = s.study)
            from studies s order by s.rowid desc
        """
        return [
            Listed(study, made, name, _kind(kind), model, int(items), tuple(people or ()))
            for study, made, name, kind, model, items, people in self.store.rows(query)
        ]

    def find(self, name: str) -> str:
        """The identifier of a study that is called so, or has this identifier. Raises InputError."""
        every = self.all()
        found = [one.study for one in every if name.strip() in (one.study, one.name)]
        if not found:
            known = ", ".join(f"“{one.name}”" for one in every[:5]) or "none yet"
            raise InputError(f"There is no study “{name:.60}” in this store. The studies are: {known}.")
        return found[0]

    def get(self, identifier: str) -> Study:
        """One study with its items. Raises InputError."""
        query = "select name, kind, model, labels, facts, notes from studies where study = ?"
        rows = self.store.rows(query, [identifier])
        if not rows:
            raise InputError(f"There is no study “{identifier:.60}” in this store. Choose one from the list.")
        name, kind, model, labels, facts, notes = rows[0]
        items = self.store.rows("select value from study_items where study = ? order by item", [identifier])
        return Study(
            name=name,
            kind=_kind(kind),
            labels=tuple(json_value(labels)),
            items=tuple(item_from_json(text) for (text,) in items),
            model=model,
            facts=json_value(facts),
            notes=tuple(json_value(notes)),
        )

    def annotate(self, identifier: str, annotator: str, item: int, choice: Choice, done: bool, visit: str) -> None:
        """Keep what an annotator has chosen on an item now. visit: which browser tab says so."""
        labels = json_text(sorted(choice), ascii_only=False)
        self.store.insert("study_annotations", [(now(), identifier, annotator, item, labels, done, visit)])

    def annotations(self, identifier: str) -> dict[str, dict[int, Annotation]]:
        """annotator → item → what they chose last; annotators in the order in which they began."""
        query = """
            select annotator, item, choice, done from latest_study_annotations a where study = ?
            order by (select min(rowid) from study_annotations b where b.study = a.study and
                      b.annotator = a.annotator), annotator, item
        """
        found: dict[str, dict[int, Annotation]] = {}
        for who, item, choice, done in self.store.rows(query, [identifier]):
            found.setdefault(who, {})[int(item)] = Annotation(frozenset(json_value(choice)), bool(done))
        return found

    def mine(self, identifier: str, annotator: str) -> dict[int, Annotation]:
        """What one annotator chose last: item → choice."""
        query = "select item, choice, done from latest_study_annotations where study = ? and annotator = ?"
        return {
            int(item): Annotation(frozenset(json_value(choice)), bool(done))
            for item, choice, done in self.store.rows(query, [identifier, annotator])
        }

    def last_visit(self, identifier: str, annotator: str) -> str:
        """Which browser tab chose last under this name; empty where nobody has."""
        query = """
            select visit from study_annotations where study = ? and annotator = ?
            order by rowid desc limit 1
        """
        rows = self.store.rows(query, [identifier, annotator])
        return str(rows[0][0]) if rows else ""


def checked_name(name: str, taken: Mapping[str, object] | Sequence[str] = ()) -> str:
    """An annotator's name as it is kept. taken: names in use; one that differs only in capitals is that one.

    Raises InputError for a name that is empty or too long.
    """
    plain = " ".join(name.split())
    if not plain or not plain.isprintable():
        raise InputError("An annotator needs a name. Type one, or a pseudonym.")
    if len(plain) > LONGEST_NAME:
        raise InputError(f"The name has {len(plain)} letters. Use at most {LONGEST_NAME}.")
    return next((one for one in taken if one.casefold() == plain.casefold()), plain)


def _kind(text: Any) -> Kind:
    return next(kind for kind in KINDS if kind == text)
