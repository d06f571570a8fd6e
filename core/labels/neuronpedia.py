"""What Neuronpedia knows of SAE features, over HTTP: one feature on demand, a whole source in bulk.

Knows: its addresses, its answers, how to ask politely. Does not know: models, stores, pages. A source is written
“model/source”, for example “gemma-2-2b/12-gemmascope-res-65k”. Both addresses are settings, so a mirror
or a test server can stand in. Facts: the site's API pages, and its public bucket.
"""

from __future__ import annotations

import gzip
import io
import re
import threading
import time
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from core.errors import DownloadError, InputError, OfflineError
from core.labels.notes import Context
from core.settings import NEURONPEDIA, NEURONPEDIA_BULK, NEURONPEDIA_KEY
from core.text.json_text import json_value

#: The site allows 25,000 requests an hour; some room is left for the visitor's own browser.
PER_HOUR = 20_000
#: Rows of one bulk file. A source has one row an explanation, so this many features a file at the most.
BATCH_ROWS = 1024
#: Contexts of a feature that are kept, and tokens shown before and after the strongest one.
CONTEXTS, BEFORE, AFTER = 6, 12, 6
#: No bulk file unpacks to more than this; one that does is not what it says.
_MOST_BYTES = 500_000_000
_SOURCE = re.compile(r"[.-]*\w[\w.-]*/[.-]*\w[\w.-]*")
_BATCH = re.compile(r"batch-(\d+)\.jsonl\.gz$")


class GarbledAnswerError(DownloadError):
    """Something came, and it is not what it should be. Asking for another feature or batch may well succeed."""


@dataclass(frozen=True)
class Explained:
    """One feature as Neuronpedia has it.

    label: its best scored explanation, else its first; empty without one. explained_by, kind: the model and the method
    of that explanation. density: share of Neuronpedia's own sample tokens it is active on; max_activation: its highest
    there, in SAELens units; both None where only the bulk file was read. positive, negative: tokens whose logits its
    decoder row raises and lowers, strongest first.
    """

    source: str
    index: int
    label: str
    explained_by: str = ""
    kind: str = ""
    density: float | None = None
    max_activation: float | None = None
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    contexts: tuple[Context, ...] = ()


class Pace:
    """Lets through at most so many requests an hour, evenly spaced. Shared by all threads of a process."""

    def __init__(
        self, per_hour: int, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._gap, self._clock, self._sleep = 3600 / per_hour, clock, sleep
        # Protects `_next`: two threads must not take the same moment.
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Return when the next request may be sent."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            self._next = at + self._gap
        if at > now:
            self._sleep(at - now)


_PACE = Pace(PER_HOUR)


class Neuronpedia:
    """A client. Raises OfflineError when nobody can be reached, DownloadError when no usable answer comes.

    site, bulk, key: as in the environment where not given. retries: further tries after 429 (whose Retry-After is
    respected up to `longest_wait` seconds) and 5xx, with `backoff`·2ⁿ seconds between them; a connection that is lost
    or silent is tried once more, since somebody waits. timeout: seconds to connect, and between two bytes.
    """

    def __init__(
        self,
        site: str | None = None,
        bulk: str | None = None,
        key: str | None = None,
        *,
        retries: int = 4,
        backoff: float = 0.5,
        longest_wait: int = 60,
        timeout: tuple[float, float] = (5.0, 30.0),
        pace: Pace = _PACE,
    ) -> None:
        self.site = (site or NEURONPEDIA.read()).rstrip("/")
        self.bulk = (bulk or NEURONPEDIA_BULK.read()).rstrip("/")
        self._key = key or NEURONPEDIA_KEY.read()
        self._timeout, self._pace = timeout, pace
        self._retry = Retry(
            total=retries,
            connect=min(1, retries),
            read=min(1, retries),
            backoff_factor=backoff,
            backoff_max=longest_wait,
            retry_after_max=longest_wait,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods={"GET"},
            raise_on_status=False,
        )

    def page(self, source: str, index: int) -> str:
        """The address of a feature's page, for people."""
        return f"{self.site}/{_checked(source)}/{index}"

    def feature(self, source: str, index: int) -> Explained | None:
        """One feature, or None where Neuronpedia has no such page. Raises DownloadError, InputError."""
        self._pace.wait()
        headers = {"x-api-key": self._key} if self._key else {}
        answer = self._get(f"{self.site}/api/feature/{_checked(source)}/{index}", "Neuronpedia", headers)
        if answer is None:
            return None
        try:
            found = json_value(answer)
            return None if found is None else _feature(found, source, index)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise GarbledAnswerError(
                f"Neuronpedia's answer for feature {index} of {source} cannot be read ({error}); try again later."
            ) from error

    def batches(self, source: str) -> tuple[int, ...] | None:
        """Numbers of a source's bulk files, or None where the bulk address gives no listing (then ask by number)."""
        prefix, token, found = f"v1/{_checked(source)}/explanations/", "", set[int]()
        while True:
            query = f"list-type=2&prefix={quote(prefix, safe='')}" + (f"&continuation-token={token}" if token else "")
            answer = self._get(f"{self.bulk}/?{query}", "Neuronpedia's bulk files", absent=(403, 404))
            if answer is None:
                return None
            try:
                tree = ElementTree.fromstring(answer)
            except ElementTree.ParseError:
                return None
            # The namespace differs between storage services, so tags are recognised by their last part.
            texts = [(element.tag.rpartition("}")[2], element.text or "") for element in tree.iter()]
            if not texts or texts[0][0] != "ListBucketResult":
                return None
            found |= {int(hit[1]) for tag, text in texts if tag == "Key" and (hit := _BATCH.search(text))}
            token = next((quote(text, safe="") for tag, text in texts if tag == "NextContinuationToken"), "")
            if not token:
                return tuple(sorted(found))

    def batch(self, source: str, number: int) -> tuple[Explained, ...] | None:
        """One bulk file: the first explanation of each of its features; None where there is no such file.

        Rows are sorted by index *as a string*, so that a range of features is spread over all files.
        Raises DownloadError; GarbledAnswerError where the file came but cannot be read.
        """
        url = f"{self.bulk}/v1/{_checked(source)}/explanations/batch-{number}.jsonl.gz"
        data = self._get(url, "Neuronpedia's bulk files")
        if data is None:
            return None
        found: dict[int, Explained] = {}
        try:
            for row in _rows(data):
                label = " ".join(str(row.get("description") or "").split())
                index = int(row["index"])
                if label and index not in found:
                    by, kind = str(row.get("explanationModelName") or ""), str(row.get("typeName") or "")
                    found[index] = Explained(source, index, label, by, kind)
        except (OSError, EOFError, zlib.error, ValueError, TypeError, LookupError, AttributeError) as error:
            raise GarbledAnswerError(
                f"Bulk file {number} of {source} is damaged ({str(error) or type(error).__name__}). Fetch it again."
            ) from error
        return tuple(found.values())

    def _get(
        self, url: str, who: str, headers: dict[str, str] | None = None, absent: tuple[int, ...] = (404,)
    ) -> bytes | None:
        """The body; None for a status in `absent`."""
        try:
            # A session each: requests does not promise that one can be shared between threads.
            with requests.Session() as session:
                for scheme in ("http://", "https://"):
                    session.mount(scheme, HTTPAdapter(max_retries=self._retry))
                # A key must not follow a redirect to somebody else.
                answer = session.get(url, headers=headers, timeout=self._timeout, allow_redirects=not headers)
        except requests.RequestException as error:
            if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
                raise DownloadError(f"{who} did not answer in time; try again later.") from error
            raise OfflineError(
                f"{who} cannot be reached at {url.split('/')[2]} ({type(error).__name__}); check the network, or "
                f"set {NEURONPEDIA.name} and {NEURONPEDIA_BULK.name} to a mirror. Labels fetched earlier stay "
                "available."
            ) from error
        if answer.status_code in absent:
            return None
        if answer.status_code == 429:
            raise DownloadError(f"{who} received too many requests this hour. Try again later.")
        if answer.status_code in (401, 403):
            raise DownloadError(f"{who} refused the request; check the key in {NEURONPEDIA_KEY.name}, or unset it.")
        if answer.status_code != 200:
            raise DownloadError(f"{who} answered with status {answer.status_code}; try again later.")
        return answer.content


def _checked(source: str) -> str:
    """The source as it stands in an address. Raises InputError."""
    if not _SOURCE.fullmatch(source):
        raise InputError(
            f"“{source:.80}” is not a Neuronpedia source. Write model/source, such as gemma-2-2b/12-gemmascope-res-65k."
        )
    return source


def _feature(found: dict[str, Any], source: str, index: int) -> Explained:
    """From the site's JSON. What is missing is empty; what has the wrong shape raises ValueError or its like."""
    if int(found["index"]) != index:
        raise ValueError(f"it is about feature {found['index']}")
    explanations = [one for one in found.get("explanations") or [] if str(one.get("description") or "").strip()]
    best: dict[str, Any] = max(explanations, key=_score, default={})  # the first of equals
    return Explained(
        source=source,
        index=index,
        label=" ".join(str(best.get("description", "")).split()),
        explained_by=str(best.get("explanationModelName") or ""),
        kind=str(best.get("typeName") or ""),
        density=_number(found.get("frac_nonzero")),
        max_activation=_number(found.get("maxActApprox")),
        positive=tuple(_text(token) for token in found.get("pos_str") or []),
        negative=tuple(_text(token) for token in found.get("neg_str") or []),
        contexts=tuple(_contexts(found.get("activations") or [])),
    )


def _score(explanation: dict[str, Any]) -> float:
    """The highest score anybody gave it; an explanation without scores comes after those with one."""
    values = [_number(score.get("value")) for score in explanation.get("scores") or []]
    return max((value for value in values if value is not None), default=float("-inf"))


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _contexts(activations: list[dict[str, Any]]) -> Iterator[Context]:
    """The strongest places, each once: the same text may have been sampled several times."""
    seen: set[tuple[str, str]] = set()
    for one in sorted(activations, key=lambda one: -float(one["maxValue"])):
        tokens, peak = [_text(token) for token in one["tokens"]], int(one["maxValueTokenIndex"])
        before, after = tokens[max(0, peak - BEFORE) : peak], tokens[peak + 1 : peak + 1 + AFTER]
        context = Context("".join(before), tokens[peak], "".join(after), float(one["maxValue"]))
        if (context.before, context.token) not in seen and len(seen) < CONTEXTS:
            seen.add((context.before, context.token))
            yield context


def _text(token: object) -> str:
    """Vocabulary entries are shown as they are spelt in the tokenizer's file: ▁ and Ġ stand for a space."""
    return str(token).replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n")


def _rows(data: bytes) -> Iterator[dict[str, Any]]:
    """The objects of a bulk file. It is plain where the server said that gzip is its encoding: then requests undid it.

    The embedding of each explanation, most of the file, leaves with its row.
    """
    stream = gzip.GzipFile(fileobj=io.BytesIO(data)) if data[:2] == b"\x1f\x8b" else io.BytesIO(data)
    read = 0
    for line in stream:
        read += len(line)
        if read > _MOST_BYTES:
            raise ValueError("it is far larger unpacked than any bulk file")
        if line.strip():
            yield json_value(line)
