"""Servers that lie: without end, byte by byte, packed to a bomb, in circles, or in other shapes than agreed."""

import gzip
import json
import os
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

from core.commands.command_line import main
from core.errors import AssetError, DownloadError, GarbledAnswerError, OfflineError
from core.hub import listing as hub_listing
from core.hub import transfer as hub_transfer
from core.hub.fetch import Wanted, fetch
from core.labels import bounded, header_clock, neuronpedia
from core.labels.neuronpedia import Neuronpedia, Pace
from core.saes.formats.open import open_sae
from core.text.safe import safe_text
from tests.neuronpedia_server import NAMESPACE, NeuronpediaServer, Reply, feature

SOURCE = "gemma-2-2b/12-gemmascope-res-65k"
PATH = f"/api/feature/{SOURCE}/7"


@pytest.fixture
def server():
    with NeuronpediaServer() as running:
        yield running


def client(server, **more) -> Neuronpedia:
    return Neuronpedia(server.url, server.url, **{"backoff": 0.01, "pace": Pace(10**9)} | more)


GARBLED = {
    "a list": "[]",
    "a text": '"x"',
    "a number": "7",
    "true": "true",
    "cut off": '{"index": "7", "expl',
    "another feature": json.dumps(feature(SOURCE, 8)),
    "no index": "{}",
    "an infinite index": '{"index": Infinity}',
    "an index that is a list": '{"index": [7]}',
    "an infinite activation": '{"index": "7", "maxActApprox": 1e999}',
    "no number": '{"index": "7", "frac_nonzero": "much"}',
    "NaN": '{"index": "7", "frac_nonzero": NaN}',
    "explanations of another shape": '{"index": "7", "explanations": "none"}',
    "an explanation that is a list": '{"index": "7", "explanations": [{"description": ["x"]}]}',
    "activations of another shape": '{"index": "7", "activations": {"a": 1}}',
    "tokens that are none": '{"index": "7", "activations": [{"tokens": 3, "maxValue": 1, "maxValueTokenIndex": 0}]}',
    "a place outside": '{"index": "7", "activations": [{"tokens": ["a"], "maxValue": 1, "maxValueTokenIndex": 9}]}',
    "nested without end": "[" * 200_000,
    "a long number": '{"index": ' + "7" * 10_000 + "}",
    "no JSON": "<html>Sign in</html>",
    "other bytes": "\udcff\udcfe",
}


@pytest.mark.parametrize("kind", GARBLED)
def test_a_garbled_answer_with_status_200_is_one_typed_sentence(server, kind):
    server.first[PATH].append(Reply(200, GARBLED[kind].encode("utf-8", "surrogateescape")))
    with pytest.raises(GarbledAnswerError) as caught:
        client(server).feature(SOURCE, 7)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_an_answer_that_is_too_large_is_not_read_to_its_end(server):
    bomb = Reply(200, gzip.compress(bytes(50 * 10**6)), {"Content-Encoding": "gzip"})
    for reply in (Reply(200, b" " * 5 * 10**6), bomb):
        server.first[PATH].append(reply)
        with pytest.raises(GarbledAnswerError, match="larger than"):
            client(server, most_answer=10**6).feature(SOURCE, 7)


def test_one_row_of_gigabytes_in_a_bulk_file_is_not_unpacked(server):
    path = f"/v1/{SOURCE}/explanations/batch-0.jsonl.gz"
    server.first[path].append(Reply(200, gzip.compress(bytes(300 * 10**6))))
    tracemalloc.start()
    with pytest.raises(GarbledAnswerError, match="far larger unpacked"):
        client(server).batch(SOURCE, 0, 65_536)
    assert tracemalloc.get_traced_memory()[1] < 150 * 10**6
    tracemalloc.stop()


def test_a_listing_that_goes_in_circles_ends(server):
    page = (
        f'<ListBucketResult xmlns="{NAMESPACE}"><Contents><Key>v1/a/batch-1.jsonl.gz</Key></Contents>'
        "<NextContinuationToken>again</NextContinuationToken></ListBucketResult>"
    )
    server.first["/"].extend([Reply(200, page.encode())] * 5)
    with pytest.raises(GarbledAnswerError, match="does not end"):
        client(server).batches(SOURCE)


def test_a_listing_with_ever_new_pages_ends(server, monkeypatch):
    monkeypatch.setattr(neuronpedia, "MOST_PAGES", 20)
    page = f'<ListBucketResult xmlns="{NAMESPACE}"><NextContinuationToken>%s</NextContinuationToken></ListBucketResult>'
    server.first["/"].extend(Reply(200, (page % number).encode()) for number in range(50))
    with pytest.raises(GarbledAnswerError, match="does not end"):
        client(server).batches(SOURCE)
    assert len(server.asked) == 20


def test_a_listing_that_would_unfold_to_gigabytes_is_none(server):
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    page = f'<!DOCTYPE x [<!ENTITY e0 "x">{entities}]><ListBucketResult><Key>&e11;</Key></ListBucketResult>'
    server.first["/"].append(Reply(200, page.encode()))
    assert client(server).batches(SOURCE) is None


ODD = ["²", "soon", "-1", "9" * 400, "1e3", "NaN", "Wed, 21 Oct 2099 07:28:00 GMT", ""]


@pytest.mark.parametrize("retry_after", ODD)
def test_an_odd_retry_after_is_no_crash_and_no_long_wait(server, retry_after):
    server.first[PATH].extend([Reply(429, headers={"Retry-After": retry_after})] * 9)
    begun = time.monotonic()
    with pytest.raises(DownloadError, match="too many requests"):
        client(server, retries=2, longest_wait=0.2).feature(SOURCE, 7)
    assert len(server.asked) == 3 and time.monotonic() - begun < 3


def drip(seconds=20.0, pause=0.02):
    """A byte now and then, for as long as somebody listens."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        yield b" "
        time.sleep(pause)


@pytest.mark.parametrize("how", ["without a length", "with a length", "in one large piece", "in pieces of a byte"])
def test_an_answer_byte_by_byte_is_left_in_time(server, monkeypatch, how):
    monkeypatch.setattr(neuronpedia, "MOST_SECONDS", 0.5)
    chunked = {"Transfer-Encoding": "chunked"}
    replies = {
        "without a length": Reply(200, rest=drip()),
        "with a length": Reply(200, headers={"Content-Length": "1000000"}, rest=drip()),
        "in one large piece": Reply(200, b"ffff0\r\n", chunked, rest=drip()),
        "in pieces of a byte": Reply(200, headers=chunked, rest=(b"1\r\n%s\r\n" % one for one in drip())),
    }
    server.first[PATH].append(replies[how])
    begun = time.monotonic()
    with pytest.raises(GarbledAnswerError, match="took longer than"):
        client(server).feature(SOURCE, 7)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("how", ["in one header", "in many headers"])
def test_headers_byte_by_byte_are_left_in_time(server, monkeypatch, how):
    monkeypatch.setattr(header_clock, "HEADER_SECONDS", 0.5)
    many = (b"X-%d: 1\r\n" % number for number, _ in enumerate(drip(pause=0.2)))
    server.first[PATH].append(Reply(200, more_headers=drip() if how == "in one header" else many))
    begun = time.monotonic()
    with pytest.raises(GarbledAnswerError, match="headers took longer than"):
        client(server).feature(SOURCE, 7)
    assert time.monotonic() - begun < 5


def counted(sent):
    for _ in range(20_000):
        sent[0] += 10_000
        yield b" " * 10_000


@pytest.mark.parametrize("status", [302, 404, 429, 503])
def test_an_error_or_a_redirect_without_end_is_not_read(server, status):
    sent = [0]
    headers = {"Location": "/elsewhere"}
    server.first[PATH].extend(Reply(status, headers=headers, rest=counted(sent)) for _ in range(3))
    server.first["/elsewhere"].append(Reply(200, json.dumps(feature(SOURCE, 7)).encode()))
    if status == 302:
        assert client(server).feature(SOURCE, 7).index == 7
    elif status == 404:
        assert client(server).feature(SOURCE, 7) is None
    else:
        with pytest.raises(DownloadError):
            client(server, retries=2).feature(SOURCE, 7)
    assert sent[0] < 5 * 10**7


PLACES = ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,{}", "http://", "//", "http://[::1", "loop", "https:///x"]


@pytest.mark.parametrize("place", PLACES)
def test_a_redirect_that_leads_nowhere_is_one_sentence(server, place):
    server.first[PATH].extend([Reply(302, headers={"Location": PATH if place == "loop" else place})] * 50)
    with pytest.raises(DownloadError) as caught:
        client(server).feature(SOURCE, 7)
    assert "\n" not in str(caught.value) and len(server.asked) < 10


def test_encryption_is_not_given_up():
    assert bounded.next_place("https://a/b", "/c") == "https://a/c"
    assert bounded.next_place("http://a/b", "https://d/c") == "https://d/c"
    with pytest.raises(bounded.TooMuchError, match="not followed"):
        bounded.next_place("https://a/b", "http://a/b")


@pytest.mark.parametrize("told", [5, 5000])
def test_a_length_that_is_not_that_of_the_body_is_one_sentence(server, told):
    body = json.dumps(feature(SOURCE, 7)).encode()
    server.first[PATH].extend([Reply(200, headers={"Content-Length": str(told)}, rest=[body])] * 3)
    with pytest.raises((GarbledAnswerError, OfflineError)) as caught:
        client(server).feature(SOURCE, 7)
    assert "\n" not in str(caught.value)


@pytest.fixture
def served(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(hub_listing, "WAITS", (0.01, 0.01, 0.01))
    monkeypatch.setattr(hub_transfer, "WAITS", (0.01, 0.01, 0.01, 0.01))
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(os.urandom(200_000))
    hub.add("some/model", folder)
    return folder


def test_a_body_beyond_the_listed_size_is_refused_at_once(hub, served):
    """The hub lists a size, and sends more."""
    path = served / "model.safetensors"
    fetch(Wanted("some/model", ("*.safetensors",)))
    listing = hub_listing.look(Wanted("some/model", ("*.safetensors",)))
    (file,) = listing.files
    smaller = hub_listing.ListedFile(file.name, 1000, file.sha256, False, 0, file.etag)
    blob = hub_listing.repo_folder(Wanted("some/model", ())) / "blobs" / file.etag
    blob.unlink()
    with pytest.raises(DownloadError, match=r"sends more of model\.safetensors .* than the 1.* it lists"):
        hub_transfer.download(Wanted("some/model", ()), listing.commit, smaller, hub_transfer.Transfer(1000))
    assert not blob.exists() and path.stat().st_size == 200_000


def npz(path, compressed, arrays):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path.parent


def arrays(wide=8):
    rng = np.random.default_rng(0)
    names = {"W_enc": (4, wide), "W_dec": (wide, 4), "b_enc": (wide,), "b_dec": (4,), "threshold": (wide,)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in names.items()}


def test_a_compressed_archive_is_read_as_it_was(tmp_path):
    made = arrays()
    for compressed in (False, True):
        block = open_sae("gemma_2", npz(tmp_path / "params.npz", compressed, made)).block(0, 8)
        np.testing.assert_array_equal(block.encoder, made["W_enc"].T)
        np.testing.assert_array_equal(block.decoder, made["W_dec"])


def test_an_archive_that_unpacks_to_a_bomb_is_refused_before_it_does(tmp_path):
    made = arrays() | {"W_enc": np.zeros((4, 20_000_000), np.float32)}
    folder = npz(tmp_path / "params.npz", True, made)
    assert (folder / "params.npz").stat().st_size < 2 * 10**6
    del made
    tracemalloc.start()
    with pytest.raises(AssetError, match="unpacks to 320 MB"):
        open_sae("gemma_2", folder)
    assert tracemalloc.get_traced_memory()[1] < 30 * 10**6
    tracemalloc.stop()


def test_an_array_that_says_it_is_larger_than_it_is_takes_no_memory(tmp_path):
    npz(tmp_path / "whole.npz", True, arrays())
    with zipfile.ZipFile(tmp_path / "whole.npz") as old, zipfile.ZipFile(tmp_path / "params.npz", "w", 8) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "W_enc.npy":
                data = data.replace(b"(4, 8)", b"(4,8" + b"0" * 9 + b")")[: len(data)]
            new.writestr(name, data)
    (tmp_path / "whole.npz").unlink()
    with pytest.raises(AssetError):
        open_sae("gemma_2", tmp_path)


def test_nothing_that_is_printed_moves_the_cursor(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"prompt": "hello", "\x1b[2Jevil\x9b31m": "x"}) + "\n", encoding="utf-8")
    assert main(["prompts", str(path)]) == 0
    assert main(["prompts", str(path), "--column", "\x1b]0;title\x07"]) == 2
    printed = capsys.readouterr()
    assert "\\u001b[2Jevil\\u009b31m" in printed.out and "\\u001b]0;title\\u0007" in printed.err
    assert not set(printed.out + printed.err) & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}


def test_safe_text_leaves_json_the_same_json():
    value = {"a": "x\x7f\x85\u2028\u202e y", "b": "é🍞\t\n"}
    text = json.dumps(value, ensure_ascii=False)
    assert json.loads(safe_text(text)) == value and safe_text("é🍞\t\n") == "é🍞\t\n"
