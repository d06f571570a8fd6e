"""A hub that lies about a repository: without end, byte by byte, packed, in circles, with errors that are none."""

import gzip
import json
import time
import tracemalloc
from contextlib import suppress

import httpx2
import numpy as np
import pytest

from core.errors import DownloadError, GarbledAnswerError, HydrascopeError
from core.hub import bounds, header_clock, listing, transfer
from core.hub.fetch import Wanted, fetch
from core.hub.listing import look
from tests.loopback_hub.handler import Handler

REPO, WEIGHTS = "some/model", "model.safetensors"
WANTED = Wanted(REPO, ("config.json", "*.safetensors"))
LISTING, TREE, FILE = "/api/models/some/model?", "/tree/", "/resolve/"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(listing, "WAITS", (0.01, 0.01, 0.01))
    monkeypatch.setattr(transfer, "WAITS", (0.01, 0.01, 0.01, 0.01, 0.01))


@pytest.fixture
def made(hub, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "config.json").write_text('{"a": 1}')
    (folder / WEIGHTS).write_bytes(np.random.default_rng(0).bytes(300_000))
    hub.add(REPO, folder)
    return folder


@pytest.fixture
def lies(monkeypatch):
    """lies(where, how): requests with `where` in their path are answered by how(handler), which returns how many bytes
    it sent. Returns the list of these numbers."""
    told, answer = [], Handler.do_GET

    def lie(where, how):
        def do_get(self):
            if where not in self.path:
                return answer(self)
            self.close_connection, sent = True, [0]
            told.append(sent)
            with suppress(OSError):  # the one who asked has heard enough
                how(self, sent)

        monkeypatch.setattr(Handler, "do_GET", do_get)
        return told

    return lie


def head(handler, status=200, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def without_end(status, piece=b" " * 10_000, pause=0.0, **headers):
    def how(handler, sent):
        head(handler, status, **headers)
        begun = time.monotonic()
        while time.monotonic() - begun < 20:
            handler.wfile.write(piece)
            sent[0] += len(piece)
            time.sleep(pause)

    return how


def answers(status, body=b"", **headers):
    def how(handler, sent):
        head(handler, status, Content_Length=str(len(body)), **headers)
        handler.wfile.write(body)

    return how


def refused(kind, match=".", ask=fetch, within=8.0):
    begun = time.monotonic()
    with pytest.raises(kind, match=match) as caught:
        ask(WANTED)
    assert isinstance(caught.value, HydrascopeError) and "\n" not in str(caught.value)
    assert time.monotonic() - begun < within


@pytest.mark.parametrize("where", [LISTING, TREE])
def test_an_answer_without_end_is_left(hub, made, lies, monkeypatch, where):
    monkeypatch.setattr(bounds, "MOST_BYTES", 10**6)
    sent = lies(where, without_end(200))
    refused(GarbledAnswerError, "does not end")
    assert sum(map(sum, sent)) < 10**7


@pytest.mark.parametrize("where", [LISTING, TREE])
def test_an_answer_byte_by_byte_is_left(hub, made, lies, monkeypatch, where):
    monkeypatch.setattr(bounds, "MOST_SECONDS", 0.5)
    lies(where, without_end(200, b" ", 0.02))
    refused(DownloadError, "takes longer than")


@pytest.mark.parametrize("where", [LISTING, TREE, FILE])
def test_a_packed_answer_is_not_unpacked(hub, made, lies, where):
    bomb = gzip.compress(bytes(100 * 10**6))
    lies(where, answers(200, bomb, Content_Encoding="gzip"))
    tracemalloc.start()
    refused(GarbledAnswerError, "does not answer like a model hub")
    assert tracemalloc.get_traced_memory()[1] < 20 * 10**6
    tracemalloc.stop()


@pytest.mark.parametrize("tokens", ["the same", "new ones"])
def test_a_listing_without_end_is_left(hub, made, lies, monkeypatch, tokens):
    monkeypatch.setattr(bounds, "MOST_ANSWERS", 50)
    pages = []

    def how(handler, sent):
        pages.append(handler.path)
        token = 1 if tokens == "the same" else len(pages)
        link = f'<{hub.endpoint}/api/models/{REPO}/tree/main?cursor={token}>; rel="next"'
        answers(200, b"[]", Link=link)(handler, sent)

    lies(TREE, how)
    refused(GarbledAnswerError, "in circles" if tokens == "the same" else "does not end")
    assert len(pages) < 60


@pytest.mark.parametrize("pause", ["9" * 400, "1000000000", "11"])
@pytest.mark.parametrize("where", [LISTING, TREE, FILE])
def test_a_pause_without_end_is_not_waited(hub, made, lies, where, pause):
    lies(where, answers(503, Retry_After=pause))
    refused(DownloadError, "503")


@pytest.mark.parametrize("pause", ["²", "-1", "NaN", "soon", "Wed, 21 Oct 2099 07:28:00 GMT", "1e9", ""])
@pytest.mark.parametrize("where", [LISTING, FILE])
def test_an_odd_pause_is_none(hub, made, lies, where, pause):
    lies(where, answers(429, Retry_After=pause.encode().decode("latin-1")))
    refused(DownloadError, "too many requests")


BODIES = {
    "a list": b"[1]",
    "a number": b"7",
    "errors of another shape": b'{"errors": 3}',
    "no JSON": b"\xff{",
    "text": b"x",
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("where", [LISTING, FILE])
def test_whatever_stands_in_an_error_it_is_one_sentence(hub, made, lies, where, body):
    lies(where, answers(500, BODIES[body], Content_Type="application/json"))
    refused(DownloadError, "has a problem")


@pytest.mark.parametrize("where", [LISTING, FILE])
def test_an_error_without_end_is_not_read(hub, made, lies, where):
    sent = lies(where, without_end(404))
    refused(DownloadError)
    assert sum(map(sum, sent)) < 5 * 10**7


PLACES = ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,{}", "javascript:1", "http://", "//", "http://[::1", "loop"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("where", [LISTING, FILE])
def test_a_redirect_that_leads_nowhere_is_one_sentence(hub, made, lies, where, place):
    def how(handler, sent):
        answers(302, Location=handler.path if place == "loop" else place)(handler, sent)

    lies(where, how)
    refused((DownloadError, GarbledAnswerError))


def test_a_redirect_without_end_is_followed_and_not_read(hub, made, lies):
    where = f"/resolve/{hub.repositories['model', REPO].refs['main']}/config.json"
    body = b'{"a": 1}'

    def how(handler, sent):
        if "again" in handler.path:
            answers(200, body)(handler, sent)
        else:
            without_end(302, Location=f"{where}?again")(handler, sent)

    sent = lies("config.json", how)
    assert (fetch(WANTED) / "config.json").read_bytes() == body
    assert sum(map(sum, sent)) < 5 * 10**7


def test_encryption_is_not_given_up():
    asked = httpx2.Request("GET", "https://hub/api/models/x/y")
    for place in ("http://hub/api/models/x/y", " HTTP://other/"):
        with pytest.raises(GarbledAnswerError, match="without encryption"):
            bounds.hold_response(httpx2.Response(302, headers={"Location": place}, request=asked))
    for place in ("https://other/", "/api", "//other/x"):
        bounds.hold_response(httpx2.Response(302, headers={"Location": place}, request=asked))


@pytest.mark.parametrize("answered", ["bytes 0-", "bytes 5-", "bytes */", "", "lines 100000-"])
def test_another_range_than_was_asked_for_is_not_appended(hub, made, monkeypatch, answered):
    hub.links = False
    hub.breaks_off(REPO, WEIGHTS, after=100_000, times=1)
    send = Handler.send_header

    def send_header(self, name, value):
        send(self, name, value.replace("bytes 100000-", answered) if name == "Content-Range" else value)

    monkeypatch.setattr(Handler, "send_header", send_header)
    assert (fetch(WANTED) / WEIGHTS).read_bytes() == (made / WEIGHTS).read_bytes()
    assert [one.first_byte for one in hub.deliveries(REPO, WEIGHTS)] == [0, 100_000, 0]


def test_a_byte_before_each_break_is_no_progress(hub, made):
    hub.breaks_off(REPO, WEIGHTS, after=1)
    refused(DownloadError, "stopped at")
    assert len(hub.deliveries(REPO, WEIGHTS)) < 10


def test_a_file_byte_by_byte_is_left(hub, made, monkeypatch):
    monkeypatch.setattr(transfer, "SLOW_SECONDS", 0.3)
    hub.slows(REPO, WEIGHTS, 50)
    refused(DownloadError, "arrives too slowly")


@pytest.mark.parametrize("where", [LISTING, TREE, FILE])
def test_headers_byte_by_byte_are_left(hub, made, lies, monkeypatch, where):
    monkeypatch.setattr(header_clock, "HEADER_SECONDS", 0.5)

    def how(handler, sent):
        handler.send_response(200)
        handler.flush_headers()
        begun = time.monotonic()
        while time.monotonic() - begun < 20:
            handler.wfile.write(b"x")
            time.sleep(0.02)

    lies(where, how)
    refused(DownloadError, "took longer than 0 seconds to begin")


def test_a_question_that_is_never_answered_is_given_up(hub, made, lies, monkeypatch):
    """Of a gated repository huggingface_hub asks whether the token will do, without a time-out."""
    monkeypatch.setattr(bounds, "TIMEOUT", 0.2)
    monkeypatch.setenv("HF_TOKEN", "mine")
    hub.add(REPO, made, gated="manual")
    hub.allow("mine", REPO)
    lies("/auth-check", lambda handler, sent: time.sleep(3))
    refused(HydrascopeError, "cannot be reached", ask=look)


def test_a_listing_as_it_should_be_is_read_over_many_pages(hub, made):
    hub.page_size = 1
    assert json.loads((fetch(WANTED) / "config.json").read_text()) == {"a": 1}
