"""Feature labels in the store: Neuronpedia's labels, kept for good, and everything known about one model put together.

Knows: the tables of migration 5, when to ask again, which batches are still to fetch. Does not know: HTTP
(`core.labels.neuronpedia`), pages, how labels are made (`core.labels.making`). Without a network, what is here is used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from cache.store.bulk import Bulk
from cache.store.database import Store, now
from core.edits.edits import Feature
from core.engine import Engine
from core.errors import GarbledAnswerError
from core.labels.column import LabelColumn
from core.labels.contexts import Context
from core.labels.explained import Explained
from core.labels.neuronpedia import BATCH_ROWS, Neuronpedia
from core.labels.notes import FeatureNote, Labels, MadeNotes, read_labels
from core.labels.origins import origins_of
from core.labels.source_texts import MadeFrom
from core.paths import cache_folder
from core.progress import NEVER, QUIET, Progress
from core.text.json_text import json_text, json_value
from core.text.reasons import reason_of

#: A feature without a page or an explanation is not asked for again for so long.
ASK_AGAIN_AFTER = timedelta(days=7)
#: Where the bulk address lists nothing, so many missing files in a row are the end and no hole.
_GAP = 3


class Looked(NamedTuple):
    """What was found of a feature, when and where it was asked. explained: None where there is no such page."""

    explained: Explained | None
    asked_at: datetime
    site: str


class _Kept(NamedTuple):
    """What is kept of a feature, and the site whose pages it belongs to; empty where that is not known."""

    explained: Explained
    site: str


class NeuronpediaLabels:
    """Neuronpedia's part of the store, for the layers of one model. Safe to share between threads.

    store: gives the store, at each call, because who keeps these labels outlives it. sources: layer → model/source. A
    layer without one is never asked for.
    """

    def __init__(
        self, store: Callable[[], Store], sources: Mapping[int, str], client: Neuronpedia | None = None
    ) -> None:
        self.store, self._sources = store, dict(sources)
        self._client = client or Neuronpedia()
        # Protects `_columns` and `version`: a page reads while another one stores.
        self._lock = threading.Lock()
        self._columns: dict[str, LabelColumn] = {}
        self.version = 0

    def __len__(self) -> int:
        return sum(len(self._column(source).indices) for source in set(self._sources.values()))

    def label(self, feature: Feature) -> str:
        """The label kept here, or an empty string; nothing is asked for."""
        source = self._sources.get(feature.layer)
        return self._column(source).label(feature.index) if source else ""

    def note(self, feature: Feature) -> FeatureNote | None:
        """Everything kept here of one feature, or None; nothing is asked for."""
        source = self._sources.get(feature.layer)
        if source is None:
            return None
        kept = self._kept(source, feature)
        if kept is None:
            return None
        explained, site = kept
        about = " · ".join(filter(None, (explained.explained_by, explained.kind)))
        return FeatureNote(
            label=explained.label,
            density=explained.density,
            max_activation=explained.max_activation,
            contexts=explained.contexts,
            promoted=_listed(explained.positive),
            suppressed=_listed(explained.negative),
            origin="Neuronpedia",
            about=f"explained by {about}" if about else "",
            link=self._client.page(source, feature.index, site) if site else "",
        )

    def made_from(self, layer: int) -> MadeFrom:
        """Its labels come without the texts they were made from."""
        return MadeFrom("Neuronpedia")

    @property
    def site(self) -> str:
        """Neuronpedia's address, as it is set."""
        return self._client.site

    def page(self, feature: Feature) -> str:
        """The address of a feature's page: where its label is from, else where it is asked for. Empty where its layer
        has no source, and where the label is from an address whose pages are not known."""
        source = self._sources.get(feature.layer)
        if source is None:
            return ""
        kept = self._kept(source, feature)
        site = self._client.site if kept is None else kept.site
        return self._client.page(source, feature.index, site) if site else ""

    def looked(self, feature: Feature) -> Looked | None:
        """What was found when its page was last asked for, or None if it never was."""
        query = (
            "select found, label, page, made_at, site from latest_neuronpedia_pages where source = ? and feature = ?"
        )
        source = self._sources.get(feature.layer)
        rows = self.store().rows(query, [source, feature.index]) if source else []
        if not rows:
            return None
        found, label, page, made_at, site = rows[0]
        return Looked(_explained(source or "", feature.index, label, page) if found else None, made_at, site)

    def worth_asking(self, feature: Feature) -> bool:
        """Whether Neuronpedia may know more than is kept here: its page was never read, or had no label long ago."""
        if feature.layer not in self._sources:
            return False
        looked = self.looked(feature)
        if looked is None:
            return True
        return not (looked.explained and looked.explained.label) and now() - looked.asked_at > ASK_AGAIN_AFTER

    def look_up(self, feature: Feature) -> Looked | None:
        """Ask for a feature's page, where that is worth it, and keep the answer, also that there is none.

        None where the layer has no source. Raises DownloadError; what is kept stays as it was.
        """
        source = self._sources.get(feature.layer)
        if source is None or not self.worth_asking(feature):
            return self.looked(feature)
        explained = self._client.feature(source, feature.index)
        page = "" if explained is None else _page_json(explained)
        label = "" if explained is None else explained.label
        row = (now(), source, feature.index, self._client.site, explained is not None, label, page)
        self.store().insert("neuronpedia_pages", [row])
        self._forget(source)
        return self.looked(feature)

    def fetch(self, source: str, d_sae: int, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER) -> Bulk:
        """Fetch the bulk files of a source that are not here yet. d_sae: width of its SAE, beyond which is no feature.

        Each file is kept before the next is asked for, so it can be stopped, killed and begun again. A file that is
        missing or damaged is named in the result, and tried again by the next call. Raises DownloadError when nobody
        answers.
        """
        listed = self._client.batches(source)
        here = {n for (n,) in self.store().rows(_HAVE, [source, self._client.bulk])}
        # Without a listing the end is where several in a row are missing. One row an explanation: about so many files.
        end = None if listed is None else max(listed, default=-1) + 1
        expected = -(-d_sae // BATCH_ROWS) if end is None else end
        fetched, number, gap, missing, damaged = 0, 0, list[int](), list[int](), dict[int, str]()
        while number < end if end is not None else len(gap) < _GAP:
            if stopped := cancelled():
                break
            if number not in here:
                progress(f"{source}: file {number + 1} of {expected}", min(1.0, number / max(1, expected)))
                try:
                    rows = self._client.batch(source, number, d_sae)
                except GarbledAnswerError as error:
                    damaged[number], rows = reason_of(error.__cause__ or error), ()
                if rows is None:
                    gap.append(number)
                elif number not in damaged:
                    self._keep(source, number, rows)
                    fetched += 1
            if number not in gap:
                missing, gap = missing + gap, []
            number += 1
        else:
            stopped = False
        if end is not None:
            missing += gap
        batches = end if end is not None else expected if stopped else number - len(gap)
        progress(f"{source}: {fetched} files fetched", 1.0)
        labels = len(self._column(source).indices)
        return Bulk(source, batches, len(here), fetched, tuple(missing), damaged, stopped, labels)

    def fetched(self, source: str) -> tuple[int, datetime | None]:
        """(bulk files of a source that are here, when the last of them came)."""
        query = "select count(*), max(made_at) from latest_neuronpedia_batches where source = ?"
        count, when = self.store().rows(query, [source])[0]
        return int(count), when

    def _keep(self, source: str, number: int, rows: tuple[Explained, ...]) -> None:
        columns = [[one.index for one in rows], *([getattr(one, name) for one in rows] for name in _TEXTS)]
        self.store().insert("neuronpedia_batches", [(now(), source, number, self._client.bulk, *columns)])
        self._forget(source)

    def _forget(self, source: str) -> None:
        with self._lock:
            self._columns.pop(source, None)
            self.version += 1

    def _column(self, source: str) -> LabelColumn:
        """All labels of a source: those of bulk files, and over them those of pages that were read."""
        with self._lock:
            known, version = self._columns.get(source), self.version
        if known is None:
            known = LabelColumn.of((int(i), str(label)) for i, label in self.store().rows(_ALL, [source, source]))
            with self._lock:
                if self.version == version:  # else something was stored meanwhile, and this may lack it
                    self._columns[source] = known
        return known

    def _kept(self, source: str, feature: Feature) -> _Kept | None:
        """A page that was read and has a label, else a bulk file's row, else a page without one."""
        looked = self.looked(feature)
        page = _Kept(looked.explained, looked.site) if looked and looked.explained else None
        if page and page.explained.label:
            return page
        rows = self.store().rows(_ONE, [source, feature.index])
        if not rows:
            return page
        *texts, bulk = rows[0]
        return _Kept(Explained(source, feature.index, *texts), self._client.site_of(bulk))


_TEXTS = ("label", "explained_by", "kind")
_HAVE = "select distinct batch from neuronpedia_batches where source = ? and site = ?"
# Later rows win in a LabelColumn: the first file that has a feature, then its page.
_ALL = """
    select feature, label from (
        select feature, label, 0 as page, batch from neuronpedia_labels where source = ?
        union all
        select feature, label, 1, 0 from latest_neuronpedia_pages where source = ? and found and label <> ''
    ) order by page, batch desc
"""
_ONE = """
    select label, explained_by, kind, site from neuronpedia_labels where source = ? and feature = ?
    order by batch limit 1
"""


def made_folder(name: str) -> Path:
    """Where the labels made here for a model lie."""
    return cache_folder() / "labels" / quote(name, safe="")


def labels_of(engine: Engine, neuronpedia: NeuronpediaLabels) -> Labels:
    """Everything known of a model's features: shipped, then Neuronpedia's, then made here. Raises AssetError."""
    spec, origins = engine.spec, origins_of(engine)
    return Labels((*read_labels(spec.labels, origins).sources, neuronpedia, MadeNotes(made_folder(spec.name), origins)))


def _listed(tokens: tuple[str, ...]) -> str:
    return ", ".join(token.strip() or repr(token)[1:-1] for token in tokens)


def _page_json(explained: Explained) -> str:
    """Everything that has no column in the table."""
    return json_text({k: v for k, v in asdict(explained).items() if k not in ("source", "index", "label")})


def _explained(source: str, index: int, label: str, page: str) -> Explained:
    """The other way round."""
    rest = json_value(page)
    bare = Explained(source, index, label)
    return replace(
        bare,
        **rest
        | {name: tuple(rest[name]) for name in ("positive", "negative")}
        | {"contexts": tuple(Context(**context) for context in rest["contexts"])},
    )
