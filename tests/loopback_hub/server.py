"""`LoopbackHub`: a small threaded HTTP server on 127.0.0.1 that speaks the Hugging Face hub's paths.

Knows: the paths, headers and error codes that huggingface_hub 2.4 asks for and understands, tokens and who may read
what, and that large files are delivered by another host (“localhost” here) under an address that needs no token, and
refuses one. Does not know: what is in the files, and Xet storage: files are delivered by HTTP, as to a client
without hf_xet.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from tests.loopback_hub.faults import Fault, Faults
from tests.loopback_hub.handler import Handler
from tests.loopback_hub.repository import Repository


@dataclass(frozen=True)
class Request:
    """One request as it arrived. headers: names in lower case. path: with its query."""

    method: str
    path: str
    headers: Mapping[str, str]
    repo: str = ""
    file: str = ""
    body: bool = False  # whether it asked for a file's bytes, rather than for where and how large it is

    @property
    def first_byte(self) -> int:
        """Where a Range request starts; 0 for a whole file."""
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").split("-")[0])


class _Server(ThreadingHTTPServer):
    """One that does not write to stderr, where tests read, when a client hangs up."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@dataclass
class LoopbackHub:
    """Serves repositories put together in folders. A context manager: the port closes at its end.

    page_size: entries a tree listing gives at a time. links: whether large files are delivered by the other host.
    ranges: whether a request for a part of a file is answered with that part.
    """

    page_size: int = 1000
    links: bool = True
    ranges: bool = True
    requests: list[Request] = field(default_factory=list)
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)  # (kind, name) → repository
    tokens: dict[str, set[str]] = field(default_factory=dict)  # token → names of gated or private repos it may read
    faults: Faults = field(default_factory=Faults)

    def __enter__(self) -> LoopbackHub:
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.hub = self  # type: ignore[attr-defined]
        self.stopping = threading.Event()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT is set to, and `endpoint=` given."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def delivery(self) -> str:
        """The other host, which delivers large files."""
        return f"http://localhost:{self.port}/lfs"

    def add(
        self,
        repo: str,
        folder: Path,
        kind: Literal["model", "dataset"] = "model",
        revision: str = "main",
        gated: Literal["auto", "manual", False] = False,
        private: bool = False,
    ) -> str:
        """Serve a folder as a new commit of `repo`. Returns the commit. The folder is read when asked for: keep it."""
        repository = self.repositories.setdefault((kind, repo), Repository(repo, kind))
        repository.gated, repository.private = gated, private
        return repository.commit(folder, revision)

    def allow(self, token: str, *repos: str) -> None:
        """Make a token known, and let it read these gated or private repositories."""
        self.tokens.setdefault(token, set()).update(repos)

    def breaks_off(self, repo: str, file: str, after: int, times: int | None = None) -> None:
        """The connection closes after so many bytes of a delivery."""
        self.faults.add(Fault(repo, file, times, break_after=after))

    def corrupts(self, repo: str, file: str, times: int | None = None) -> None:
        """Bytes arrive changed, as many as said."""
        self.faults.add(Fault(repo, file, times, corrupt=True))

    def slows(self, repo: str, file: str, bytes_per_second: float, times: int | None = None) -> None:
        self.faults.add(Fault(repo, file, times, bytes_per_second=bytes_per_second))

    def stalls(self, repo: str, file: str, after: int, times: int | None = None) -> None:
        """Nothing more comes after so many bytes, and the connection stays open."""
        self.faults.add(Fault(repo, file, times, stall_after=after))

    def fails(
        self, repo: str, file: str, status: int, times: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """An HTTP error, for a file's pages or, with an empty file, for the repository's API pages.

        With the header Content-Type: text/html it is a web page, as a login page in between would send.
        """
        self.faults.add(Fault(repo, file, times, status=status, headers=headers or {}))

    def deliveries(self, repo: str, file: str) -> list[Request]:
        """The requests for bytes of this file, in order."""
        return [r for r in self.requests if r.repo == repo and r.file == file and r.body]
