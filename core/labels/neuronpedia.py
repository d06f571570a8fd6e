"""What Neuronpedia knows of SAE features, over HTTP: one feature on demand, a whole source in bulk.

Knows: its addresses, its answers, how to ask politely. Does not know: models, stores, pages. A source is written
“model/source”, for example “gemma-2-2b/12-gemmascope-res-65k”. Both addresses are settings, so a mirror
or a test server can stand in. Facts: the site's API pages, and its public bucket.
"""

from __future__ import annotations

import re
import threading
import time
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import quote

import requests
from urllib3.exceptions import HTTPError

from core.errors import DownloadError, GarbledAnswerError, InputError, OfflineError
from core.labels.bounded import Limits, Patience, TooMuchError, ask, lines_within
from core.labels.explained import Explained, explained, label_of
from core.schemas.neuronpedia import BulkRow, FeatureAnswer
from core.settings import NEURONPEDIA, NEURONPEDIA_BULK, NEURONPEDIA_KEY
from core.shaped import parsed
from core.text.reasons import reason_of

#: The site allows 25,000 requests an hour; some room is left for the visitor's own browser.
PER_HOUR = 20_000
#: Rows of one bulk file. A source has one row an explanation, so this many features a file at the most.
BATCH_ROWS = 1024
#: No bulk file unpacks to more than this, and none of its rows is longer; one that does is not what it says.
MOST_BYTES, _MOST_LINE = 500_000_000, 20_000_000
#: Seconds that other answers and bulk files may take, and pages of a listing.
MOST_SECONDS, MOST_BULK_SECONDS, MOST_PAGES = 120.0, 1800.0, 1000
_SOURCE = re.compile(r"[.-]*\w[\w.-]*/[.-]*\w[\w.-]*")
_BATCH = re.compile(r"batch-([0-9]{1,6})\.jsonl\.gz")


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
    most_answer: bytes of an answer that is no bulk file.
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
        most_answer: int = 50_000_000,
        pace: Pace = _PACE,
    ) -> None:
        self.site = (site or NEURONPEDIA.read()).rstrip("/")
        self.bulk = (bulk or NEURONPEDIA_BULK.read()).rstrip("/")
        self._key = key or NEURONPEDIA_KEY.read()
        self._pace, self._most_answer = pace, most_answer
        self._patience = Patience(retries, backoff, longest_wait, timeout)

    def page(self, source: str, index: int, site: str = "") -> str:
        """The address of a feature's page, for people. site: another one than this client's."""
        return f"{site or self.site}/{_checked(source)}/{index}"

    def site_of(self, bulk: str) -> str:
        """The site whose labels the bulk files at an address are; empty where that is not known."""
        if bulk == NEURONPEDIA_BULK.unset:
            return NEURONPEDIA.unset
        return self.site if bulk == self.bulk else ""

    def feature(self, source: str, index: int) -> Explained | None:
        """One feature, or None where Neuronpedia has no such page. Raises DownloadError, InputError."""
        self._pace.wait()
        headers = {"x-api-key": self._key} if self._key else {}
        answer = self._get(f"{self.site}/api/feature/{_checked(source)}/{index}", "Neuronpedia", headers)
        if answer is None:
            return None
        if answer.strip() == b"null":
            return None
        try:
            return explained(parsed(FeatureAnswer, answer), source, index)
        except ValueError as error:
            raise GarbledAnswerError(
                f"Neuronpedia's answer for feature {index} of {source} cannot be read ({error!s:.200}); try again "
                "later."
            ) from error

    def batches(self, source: str) -> tuple[int, ...] | None:
        """Numbers of a source's bulk files, or None where the bulk address gives no listing (then ask by number)."""
        prefix, token, found = f"v1/{_checked(source)}/explanations/", "", set[int]()
        seen = {token}
        for _ in range(MOST_PAGES):
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
            keys = [text for tag, text in texts if tag == "Key" and text.startswith(prefix)]
            found |= {int(hit[1]) for key in keys if (hit := _BATCH.fullmatch(key.removeprefix(prefix)))}
            cut_short = any(tag == "IsTruncated" and text.strip().lower() == "true" for tag, text in texts)
            token = next((quote(text, safe="") for tag, text in texts if tag == "NextContinuationToken"), "")
            if not token and cut_short:
                raise GarbledAnswerError(
                    "Neuronpedia's list of bulk files is cut short and does not say how to go on. Try again later."
                )
            if not token:
                return tuple(sorted(found))
            if token in seen:
                break
            seen.add(token)
        raise GarbledAnswerError("Neuronpedia's list of bulk files does not end. Try again later.")

    def batch(self, source: str, number: int, d_sae: int) -> tuple[Explained, ...] | None:
        """One bulk file: the first explanation of each of its features; None where there is no such file.

        d_sae: width of the SAE; a file with a feature beyond it is another SAE's. Rows are sorted by index *as a
        string*, so that a range of features is spread over all files.
        Raises DownloadError; GarbledAnswerError where the file came but cannot be read.
        """
        url = f"{self.bulk}/v1/{_checked(source)}/explanations/batch-{number}.jsonl.gz"
        data = self._get(url, "Neuronpedia's bulk files", most=Limits(MOST_BYTES, MOST_BULK_SECONDS))
        if data is None:
            return None
        found: dict[int, Explained] = {}
        try:
            for row in _rows(data):
                if other := row.about(source):
                    raise ValueError(f"a row is about {other:.80}")
                if row.index >= d_sae:
                    raise ValueError(f"a row is about feature {row.index:,}, and the SAE has {d_sae:,}")
                label = label_of(row)
                if label and row.index not in found:
                    by, kind = row.explanationModelName or "", row.typeName or ""
                    found[row.index] = Explained(source, row.index, label, by, kind)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise GarbledAnswerError(
                f"Bulk file {number} of {source} is damaged ({reason_of(error)}). Fetch it again."
            ) from error
        return tuple(found.values())

    def _get(
        self,
        url: str,
        who: str,
        headers: dict[str, str] | None = None,
        absent: tuple[int, ...] = (404,),
        most: Limits | None = None,
    ) -> bytes | None:
        """The body; None for a status in `absent`."""
        try:
            status, body = ask(url, headers or {}, most or Limits(self._most_answer, MOST_SECONDS), self._patience)
        except TooMuchError as error:
            raise GarbledAnswerError(f"{who} sent an answer that cannot be one ({error}). Try again later.") from error
        except (requests.RequestException, HTTPError) as error:
            if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
                raise DownloadError(f"{who} did not answer in time; try again later.") from error
            raise OfflineError(
                f"{who} cannot be reached at {url.split('/')[2]} ({type(error).__name__}); check the network, or "
                f"set {NEURONPEDIA.name} and {NEURONPEDIA_BULK.name} to a mirror. Labels fetched earlier stay "
                "available."
            ) from error
        if status in absent:
            return None
        if status == 429:
            raise DownloadError(f"{who} received too many requests this hour. Try again later.")
        if status in (401, 403):
            raise DownloadError(f"{who} refused the request; check the key in {NEURONPEDIA_KEY.name}, or unset it.")
        if status != 200:
            raise DownloadError(f"{who} answered with status {status}; try again later.")
        return body


def _checked(source: str) -> str:
    """The source as it stands in an address. Raises InputError."""
    if not _SOURCE.fullmatch(source):
        raise InputError(
            f"“{source:.80}” is not a Neuronpedia source. Write model/source, such as gemma-2-2b/12-gemmascope-res-65k."
        )
    return source


def _rows(data: bytes) -> Iterator[BulkRow]:
    """The rows of a bulk file. It is plain where the server said that gzip is its encoding: then requests undid it.

    The embedding of each explanation, most of the file, leaves with its row.
    """
    for line in lines_within(data, MOST_BYTES, _MOST_LINE):
        if line.strip():
            yield parsed(BulkRow, line)
