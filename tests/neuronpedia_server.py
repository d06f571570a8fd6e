"""A small Neuronpedia on 127.0.0.1: its feature API and its bulk bucket, and every way in which they can fail.

Serves what a test puts into it. The paths, field names and the bucket's listing are those of the real ones.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True)
class Reply:
    """An answer that stands before the usual one, once. delay: seconds before anything is sent. rest: sent after the
    body, piece by piece; then no Content-Length is told but one in `headers`. more_headers: bytes that are sent, piece
    by piece, as if they were further headers."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    rest: Iterable[bytes] = ()
    more_headers: Iterable[bytes] = ()


def feature(source: str, index: int, label: str = "", **more) -> dict:
    """A feature's page as the API gives it, with two contexts."""
    model, layer = source.split("/")
    explanations = [{"description": label, "explanationModelName": "gpt-4o-mini", "typeName": "oai_token-act-pair"}]
    return {
        "modelId": model,
        "layer": layer,
        "index": str(index),
        "maxActApprox": 12.5,
        "frac_nonzero": 0.00321,
        "pos_str": ["▁sorry", "Sorry"],
        "pos_values": [1.2, 1.1],
        "neg_str": ["▁sure"],
        "neg_values": [-0.9],
        "freq_hist_data_bar_heights": [1],
        "freq_hist_data_bar_values": [1],
        "activations": [
            {"tokens": ["▁How", "▁to", "▁bake"], "values": [0, 0, 3.5], "maxValue": 3.5, "maxValueTokenIndex": 2},
            {
                "tokens": ["I", "▁am", "▁sorry", "▁to"],
                "values": [0, 1, 12.5, 0],
                "maxValue": 12.5,
                "maxValueTokenIndex": 2,
            },
        ],
        "explanations": explanations if label else [],
    } | more


def explanation(source: str, index: int, label: str) -> dict:
    """A row of a bulk file, with its embedding."""
    model, layer = source.split("/")
    return {
        "modelId": model,
        "layer": layer,
        "index": str(index),
        "description": label,
        "typeName": "oai_token-act-pair",
        "explanationModelName": "gpt-4o-mini",
        "embedding": [0.25] * 16,
    }


def packed(rows: list[dict]) -> bytes:
    return gzip.compress("\n".join(json.dumps(row) for row in rows).encode(), mtime=0)


class NeuronpediaServer:
    """`with NeuronpediaServer() as server:`; `server.url` stands for the site and for the bucket alike.

    pages: (source, index) → JSON. files: key → bytes. first: path → replies that come before the usual one, in turn.
    lists: whether the bucket can be listed; keys_per_page: how much of it at a time. asked: every path, in order.
    """

    def __init__(self) -> None:
        self.pages: dict[tuple[str, int], object] = {}
        self.files: dict[str, bytes] = {}
        self.first: dict[str, deque[Reply]] = defaultdict(deque)
        self.lists, self.keys_per_page = True, 1000
        self.asked: list[str] = []
        self.keys: list[str | None] = []

    def bulk(self, source: str, labels: dict[int, str], rows: int) -> None:
        """Bulk files of `rows` rows each, sorted by index as a string, as the bucket has them."""
        lines = [explanation(source, index, labels[index]) for index in sorted(labels, key=str)]
        for number, start in enumerate(range(0, len(lines), rows)):
            self.files[self.key(source, number)] = packed(lines[start : start + rows])

    @staticmethod
    def key(source: str, number: int) -> str:
        return f"v1/{source}/explanations/batch-{number}.jsonl.gz"

    def __enter__(self) -> NeuronpediaServer:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                server.asked.append(self.path)
                server.keys.append(self.headers.get("x-api-key"))
                reply = server.first[path].popleft() if server.first[path] else server._usual(self.path)
                time.sleep(reply.delay)
                with suppress(ConnectionError):  # a client that was tired of waiting
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    if not reply.rest:
                        self.send_header("Content-Length", str(len(reply.body)))
                    self.flush_headers()
                    for piece in reply.more_headers:
                        self.wfile.write(piece)
                    self.end_headers()
                    self.wfile.write(reply.body)
                    for piece in reply.rest:
                        self.wfile.write(piece)

            def log_message(self, *args: object) -> None:
                """Tests read `asked` instead."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _usual(self, path: str) -> Reply:
        parts = urlsplit(path)
        if parts.path == "/":
            return self._listing(parse_qs(parts.query)) if self.lists else Reply(403)
        if parts.path.startswith("/api/feature/"):
            *source, index = parts.path.removeprefix("/api/feature/").split("/")
            found = self.pages.get(("/".join(source), int(index)))
            if found is None:
                return Reply(404, json.dumps({"error": "Feature not found"}).encode())
            return Reply(200, json.dumps(found).encode(), {"Content-Type": "application/json"})
        data = self.files.get(parts.path.removeprefix("/"))
        return Reply(404, b"<Error><Code>NoSuchKey</Code></Error>") if data is None else Reply(200, data)

    def _listing(self, query: dict[str, list[str]]) -> Reply:
        keys = sorted(key for key in self.files if key.startswith(query["prefix"][0]))
        start = int(query.get("continuation-token", ["token 0"])[0].split()[1])
        some, more = keys[start : start + self.keys_per_page], start + self.keys_per_page
        rows = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in some)
        token = f"<NextContinuationToken>token {more}</NextContinuationToken>" if more < len(keys) else ""
        text = f'<?xml version="1.0"?><ListBucketResult xmlns="{NAMESPACE}">{rows}{token}</ListBucketResult>'
        return Reply(200, text.encode(), {"Content-Type": "application/xml"})
