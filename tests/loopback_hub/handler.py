"""One request to the loopback hub: path to answer.

Knows: the hub's paths, status codes, X-Error-Code names and headers, byte ranges. Does not know: which repositories,
tokens and faults there are; it asks the hub it belongs to.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

from tests.loopback_hub.faults import Fault
from tests.loopback_hub.repository import File, Repository, tree_entry

if TYPE_CHECKING:
    from tests.loopback_hub.server import LoopbackHub

API = re.compile(r"/api/(?P<kind>model|dataset)s/(?P<repo>[^/]+/[^/]+)(?:/(?P<page>[^/]+)(?:/(?P<rest>.*))?)?")
RESOLVE = re.compile(r"/(?P<kind>datasets/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
LFS = re.compile(r"/lfs/(?P<kind>model|dataset)/(?P<repo>[^/]+/[^/]+)/(?P<commit>[0-9a-f]{40})/(?P<file>.+)")
PIECE = 65_536  # bytes sent at a time


class RefusedError(Exception):
    """An error answer, with the headers huggingface_hub tells errors by."""

    def __init__(
        self, status: int, code: str = "", message: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        named = {"X-Error-Code": code, "X-Error-Message": message}
        self.status, self.message = status, message or "error"
        self.headers = {name: value for name, value in named.items() if value} | dict(headers or {})


class Handler(BaseHTTPRequestHandler):
    """Serves GET, HEAD and POST. HTTP/1.1 with connections kept open, as the hub does."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> LoopbackHub:
        return self.server.hub  # type: ignore[attr-defined]

    def log_message(self, *arguments: object) -> None:
        """Nothing on stderr: `LoopbackHub.requests` tells."""

    def do_GET(self) -> None:
        try:
            self._answer()
        except RefusedError as refused:
            if refused.headers.get("Content-Type") == "text/html":
                self._send(refused.status, refused.headers, b"<html>Please log in to this network.</html>")
            else:
                self._json({"error": refused.message}, refused.status, refused.headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client went away; so do we

    do_HEAD = do_POST = do_GET  # noqa: N815 (the names http.server calls)

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self._posted = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if match := LFS.fullmatch(path):
            self._record(match["repo"], unquote(match["file"]))
            self._deliver_linked(match)
        elif match := API.fullmatch(path):
            self._record(match["repo"], "")
            self._api(match)
        elif match := RESOLVE.fullmatch(path):
            self._record(match["repo"], unquote(match["file"]))
            self._resolve(match)
        elif path == "/api/whoami-v2":
            self._record()
            token = self._token()
            if token is None:
                raise RefusedError(401, "", "Invalid username or password.")
            self._json({"type": "user", "id": "0", "name": token, "fullname": token, "orgs": []})
        elif path == "/api/agent-harnesses":
            self._record()
            self._json({"standardEnvVars": [], "harnesses": {}})
        else:
            self._record()
            raise RefusedError(404, "", "Not Found")

    def _record(self, repo: str = "", file: str = "") -> None:
        from tests.loopback_hub.server import Request

        headers = {name.lower(): value for name, value in self.headers.items()}
        body = bool(file) and self.command == "GET" and (self.path.startswith("/lfs/") or not self._linked(repo, file))
        self.hub.requests.append(Request(self.command, self.path, headers, repo, file, body))

    def _linked(self, repo: str, file: str) -> bool:
        """Whether the file is one that the other host delivers."""
        kind = "dataset" if self.path.startswith("/datasets/") else "model"
        repository = self.hub.repositories.get((kind, repo))
        commits = repository.commits.values() if repository else ()
        return self.hub.links and any(f[file].sha256 is not None for f in commits if file in f)

    # Who asks

    def _token(self) -> str | None:
        """The known token of this request, None without one. Raises RefusedError for one that nobody knows."""
        given = self.headers.get("Authorization")
        if given is None:
            return None
        token = given.removeprefix("Bearer ")
        if token not in self.hub.tokens:
            raise RefusedError(401, "", "Invalid credentials in Authorization header")
        return token

    def _repository(self, kind: str, name: str) -> Repository:
        token = self._token()
        repository = self.hub.repositories.get((kind, name))
        known = repository is not None and (not repository.private or name in self.hub.tokens.get(token or "", ()))
        if not known:
            raise RefusedError(404 if token else 401, "RepoNotFound", "Repository not found")
        return repository  # type: ignore[return-value]

    def _may_read(self, repository: Repository) -> None:
        token, name = self._token(), repository.name
        if repository.gated and token is None:
            text = f"Access to {repository.kind} {name} is restricted. You must have access to it and be authenticated "
            raise RefusedError(401, "GatedRepo", text + "to access it. Please log in.")
        if repository.gated and name not in self.hub.tokens[token or ""]:
            text = f"Access to {repository.kind} {name} is restricted and you are not in the authorized list. "
            raise RefusedError(403, "GatedRepo", f"{text}Visit {self.hub.endpoint}/{name} to ask for access.")

    def _commit(self, repository: Repository, revision: str) -> str:
        commit = repository.resolve(revision)
        if commit is None:
            raise RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return commit

    # The API

    def _api(self, match: re.Match[str]) -> None:
        self._refuse_if_told(match["repo"], "")
        repository = self._repository(match["kind"], match["repo"])
        page, rest = match["page"] or "revision", match["rest"] or ""
        query = parse_qs(urlsplit(self.path).query)
        if page == "auth-check":
            self._may_read(repository)
            self._json({})
            return
        revision, _, folder = rest.partition("/")
        commit = self._commit(repository, unquote(revision) or "main")
        if page == "revision":
            self._json(repository.info(commit, blobs=_true(query, "blobs")))
        elif page == "tree":
            self._tree(repository, commit, unquote(folder), query)
        elif page == "paths-info":
            files = repository.commits[commit]
            asked = parse_qs(self._posted.decode()).get("paths", [])
            self._json([tree_entry(files[name]) for name in asked if name in files])
        else:
            raise RefusedError(404, "", "Not Found")

    def _tree(self, repository: Repository, commit: str, folder: str, query: dict[str, list[str]]) -> None:
        entries = repository.tree(commit, folder, _true(query, "recursive"))
        if folder and not entries:
            raise RefusedError(404, "EntryNotFound", f"{folder} does not exist on this revision")
        start = int(query.get("cursor", ["0"])[0])
        end, headers = start + self.hub.page_size, {}
        if end < len(entries):
            address = f"{self.hub.endpoint}{urlsplit(self.path).path}"
            recursive = "recursive=True&" if _true(query, "recursive") else ""
            headers["Link"] = f'<{address}?{recursive}cursor={end}>; rel="next"'
        self._json(entries[start:end], headers=headers)

    # Files

    def _resolve(self, match: re.Match[str]) -> None:
        name = unquote(match["file"])
        self._refuse_if_told(match["repo"], name)
        repository = self._repository("dataset" if match["kind"] else "model", match["repo"])
        self._may_read(repository)
        commit = self._commit(repository, unquote(match["revision"]))
        file = repository.commits[commit].get(name)
        if file is None:
            raise RefusedError(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes", "ETag": f'"{file.etag}"'}
        if file.sha256 is None or not self.hub.links:
            self._deliver(repository, file, headers)
            return
        address = f"{self.hub.delivery}/{repository.kind}/{repository.name}/{commit}/{match['file']}"
        linked = {"Location": address, "X-Linked-Size": str(file.bytes), "X-Linked-ETag": f'"{file.sha256}"'}
        self._send(302, headers | linked, b"")

    def _deliver_linked(self, match: re.Match[str]) -> None:
        if "Authorization" in self.headers:  # as S3 does with an address that is signed already
            raise RefusedError(400, "", "Only one auth mechanism allowed")
        name = unquote(match["file"])
        self._refuse_if_told(match["repo"], name)
        repository = self.hub.repositories[match["kind"], match["repo"]]
        file = repository.commits[match["commit"]][name]
        self._deliver(repository, file, {"Accept-Ranges": "bytes", "ETag": f'"{file.etag}"'})

    def _deliver(self, repository: Repository, file: File, headers: dict[str, str]) -> None:
        start, end, status = 0, file.bytes, 200
        if self.hub.ranges and (asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))):
            start, end, status = int(asked[1]), min(int(asked[2] or file.bytes - 1) + 1, file.bytes), 206
            if start >= file.bytes:
                self._send(416, headers | {"Content-Range": f"bytes */{file.bytes}"}, b"")
                return
            headers |= {"Content-Range": f"bytes {start}-{end - 1}/{file.bytes}"}
        self.send_response(status)
        for header, value in (headers | {"Content-Length": str(end - start)}).items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        trouble = self.hub.faults.trouble(repository.name, file.name)
        with file.path.open("rb") as source:
            source.seek(start)
            self._send_body(source, end - start, trouble or Fault("", ""))

    def _send_body(self, source: BinaryIO, whole: int, trouble: Fault) -> None:
        """The next `whole` bytes of a file, piece by piece: a model's file may be larger than the memory."""
        ends = [end for end in (trouble.break_after, trouble.stall_after) if end is not None]
        stop, changed = min([whole, *ends]), whole // 2 if trouble.corrupt else None
        size = PIECE if trouble.bytes_per_second is None else max(1, int(trouble.bytes_per_second / 50))
        for at in range(0, stop, size):
            piece = source.read(min(size, stop - at))
            if changed is not None and at <= changed < at + len(piece):
                place = changed - at
                piece = piece[:place] + bytes([piece[place] ^ 0xFF]) + piece[place + 1 :]
            self.wfile.write(piece)
            if trouble.bytes_per_second is not None:
                time.sleep(len(piece) / trouble.bytes_per_second)
        self.wfile.flush()
        if stop < whole:
            if trouble.stall_after is not None:
                self.hub.stopping.wait()
            self.close_connection = True

    # Answers

    def _refuse_if_told(self, repo: str, file: str) -> None:
        fault = self.hub.faults.refusal(repo, file)
        if fault is not None:
            raise RefusedError(fault.status or 500, "", "Told to fail by the test", fault.headers)

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        kind = {"Content-Type": "application/json; charset=utf-8"}
        self._send(status, kind | (headers or {}), json.dumps(value).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _true(query: dict[str, list[str]], name: str) -> bool:
    return query.get(name, [""])[0].lower() == "true"
