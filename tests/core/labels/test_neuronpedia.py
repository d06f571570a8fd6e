"""The Neuronpedia client against a small imitation on 127.0.0.1: what it reads, and every way it can fail."""

import time

import pytest

from core import InputError
from core.errors import DownloadError, GarbledAnswerError, OfflineError
from core.labels.contexts import Context
from core.labels.neuronpedia import Neuronpedia, Pace
from core.settings import NEURONPEDIA, NEURONPEDIA_BULK, NEURONPEDIA_KEY
from tests.neuronpedia_server import NeuronpediaServer, Reply, feature, packed

SOURCE = "gemma-2-2b/12-gemmascope-res-65k"
PATH = f"/api/feature/{SOURCE}/7"


@pytest.fixture
def server():
    with NeuronpediaServer() as running:
        yield running


def client(server, **more) -> Neuronpedia:
    return Neuronpedia(server.url, server.url, **{"backoff": 0.01, "pace": Pace(10**9)} | more)


def test_a_feature_is_read_whole(server):
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "words of  regret")
    found = client(server).feature(SOURCE, 7)
    assert (found.label, found.explained_by, found.kind) == ("words of regret", "gpt-4o-mini", "oai_token-act-pair")
    assert (found.density, found.max_activation) == (0.00321, 12.5)
    assert (found.positive, found.negative) == ((" sorry", "Sorry"), (" sure",))
    assert found.contexts == (Context("I am", " sorry", " to", 12.5), Context(" How to", " bake", "", 3.5))
    assert server.asked == [PATH] and server.keys == [None]


def test_the_best_scored_explanation_is_the_label_and_else_the_first(server):
    def explanations(*scores):
        return [{"description": f"number {n}", "scores": [{"value": v} for v in s]} for n, s in enumerate(scores)]

    for given, best in (([(), ()], 0), ([(), (0.2,)], 1), ([(0.3,), (0.1, 0.9), (0.5,)], 1), ([(0.5,), (0.5,)], 0)):
        server.pages[SOURCE, 7] = feature(SOURCE, 7, explanations=explanations(*given))
        assert client(server).feature(SOURCE, 7).label == f"number {best}"


def test_a_feature_nobody_explained_keeps_the_rest_of_its_page(server):
    server.pages[SOURCE, 7] = feature(SOURCE, 7)
    found = client(server).feature(SOURCE, 7)
    assert found.label == "" and len(found.contexts) == 2


def test_an_answer_may_spell_its_model_and_source_in_capitals_or_leave_them_out(server):
    for told in ({"modelId": "Gemma-2-2B", "layer": "12-GemmaScope-res-65k"}, {"modelId": None, "layer": None}):
        server.pages[SOURCE, 7] = feature(SOURCE, 7, "x") | told
        assert client(server).feature(SOURCE, 7).label == "x"


def test_missing_fields_are_empty_and_no_error(server):
    server.pages[SOURCE, 7] = {"index": "7", "explanations": [{"description": None}, {"description": "said"}]}
    found = client(server).feature(SOURCE, 7)
    assert (found.label, found.density, found.contexts, found.positive) == ("said", None, (), ())


def test_a_repeated_context_is_shown_once(server):
    one = {"tokens": ["a", "b"], "values": [0, 2], "maxValue": 2, "maxValueTokenIndex": 1}
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "x", activations=[one, one | {"maxValue": 1.5}])
    assert client(server).feature(SOURCE, 7).contexts == (Context("a", "b", "", 2.0),)


def test_no_such_page_is_none(server):
    assert client(server).feature(SOURCE, 8) is None


def test_addresses_and_key_are_settings(server, monkeypatch):
    monkeypatch.setenv(NEURONPEDIA.name, server.url + "/")
    monkeypatch.setenv(NEURONPEDIA_BULK.name, server.url)
    monkeypatch.setenv(NEURONPEDIA_KEY.name, "secret")
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "x")
    server.bulk(SOURCE, {1: "one"}, 10)
    here = Neuronpedia()
    assert here.feature(SOURCE, 7).label == "x" and server.keys == ["secret"]
    assert here.page(SOURCE, 7) == f"{server.url}/{SOURCE}/7"
    here.batch(SOURCE, 0, 65_536)
    assert server.keys[-1] is None, "the key is for the site alone"


def test_a_pause_that_is_asked_for_is_kept(server):
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "x")
    server.first[PATH].append(Reply(429, headers={"Retry-After": "1"}))
    begun = time.monotonic()
    assert client(server).feature(SOURCE, 7).label == "x"
    assert time.monotonic() - begun >= 1 and len(server.asked) == 2


def test_a_pause_that_never_ends_is_one_sentence(server):
    server.first[PATH].extend([Reply(429, headers={"Retry-After": "3600"})] * 3)
    with pytest.raises(DownloadError, match="received too many requests"):
        client(server, retries=2, longest_wait=0).feature(SOURCE, 7)
    assert len(server.asked) == 3


def test_a_server_error_is_tried_again(server):
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "x")
    server.first[PATH].extend([Reply(500), Reply(503)])
    assert client(server).feature(SOURCE, 7).label == "x" and len(server.asked) == 3


def test_a_server_error_that_stays_names_the_status(server):
    server.first[PATH].extend([Reply(500)] * 9)
    with pytest.raises(DownloadError, match="status 500"):
        client(server, retries=2).feature(SOURCE, 7)
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_said(server, status):
    server.first[PATH].append(Reply(status))
    with pytest.raises(DownloadError, match=NEURONPEDIA_KEY.name):
        client(server, key="wrong").feature(SOURCE, 7)


def test_a_key_does_not_follow_a_redirect(server):
    server.first[PATH].append(Reply(302, headers={"Location": f"{server.url}/elsewhere"}))
    with pytest.raises(DownloadError, match="status 302"):
        client(server, key="secret").feature(SOURCE, 7)
    assert server.asked == [PATH]


def test_silence_is_one_sentence(server):
    server.first[PATH].extend([Reply(delay=1.0)] * 2)
    begun = time.monotonic()
    with pytest.raises(DownloadError, match="did not answer in time"):
        client(server, timeout=(1.0, 0.1)).feature(SOURCE, 7)
    assert time.monotonic() - begun < 1.0


def test_nobody_there_is_one_sentence():
    with NeuronpediaServer() as gone:
        address = gone.url
    for ask in (lambda here: here.feature(SOURCE, 7), lambda here: here.batches(SOURCE)):
        with pytest.raises(OfflineError, match=r"cannot be reached at 127\.0\.0\.1.*mirror") as caught:
            ask(Neuronpedia(address, address, backoff=0.01))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>busy</html>",
        b"[]",
        b'"text"',
        b"{}",
        b'{"index": "8"}',
        b'{"index": "7", "activations": [{"tokens": ["a"], "maxValue": 1, "maxValueTokenIndex": 3}]}',
        b'{"index": "7", "activations": [{"tokens": null}]}',
        b'{"index": "7", "frac_nonzero": "much"}',
        b'{"index": "7", "frac_nonzero": 99.0}',
        b'{"index": "7", "frac_nonzero": -0.01}',
        b'{"index": "7", "maxActApprox": -5}',
        b'{"index": "7", "modelId": "gemma-2-9b"}',
        b'{"index": "7", "layer": "12-gemmascope-res-16k"}',
        b'{"index": "7", "explanations": ["text"]}',
        b"\xff\xfe",
        b"",
    ],
)
def test_garbage_is_one_sentence_of_its_own_kind(server, body):
    server.first[PATH].append(Reply(200, body))
    with pytest.raises(GarbledAnswerError, match="cannot be read"):
        client(server).feature(SOURCE, 7)


@pytest.mark.parametrize("source", ["", "gemma", "a/b/c", "a/../b", "../a", "a/..", "a/b?x=1", "a b/c", "a/b\n"])
def test_a_source_that_is_none_never_reaches_the_address(server, source):
    with pytest.raises(InputError, match="not a Neuronpedia source"):
        client(server).feature(source, 7)
    assert server.asked == []


def test_bulk_files_are_listed_page_by_page_and_read_without_their_embeddings(server):
    server.bulk(SOURCE, {index: f"label {index}" for index in range(25)}, 2)
    server.keys_per_page = 5
    here = client(server)
    assert here.batches(SOURCE) == tuple(range(13)) and len(server.asked) == 3
    found = [one for number in range(13) for one in here.batch(SOURCE, number, 65_536)]
    assert {one.index: one.label for one in found} == {index: f"label {index}" for index in range(25)}
    assert [one.index for one in found[:4]] == [0, 1, 10, 11], "sorted as strings, as the real ones are"
    assert here.batch(SOURCE, 13, 65_536) is None and here.batches("gemma-2-2b/nothing") == ()


def test_of_several_explanations_in_a_bulk_file_the_first_counts(server):
    rows = [{"index": "3", "description": text} for text in ("", "first", "second")]
    server.files[server.key(SOURCE, 0)] = packed(rows)
    assert [one.label for one in client(server).batch(SOURCE, 0, 65_536)] == ["first"]


def test_a_listing_that_is_cut_short_is_not_taken_for_the_whole(server):
    key = f"<Key>{server.key(SOURCE, 0)}</Key>"
    for more in ("true", " True "):
        listing = f"<ListBucketResult><IsTruncated>{more}</IsTruncated>{key}</ListBucketResult>"
        server.first["/"].append(Reply(200, listing.encode()))
        with pytest.raises(GarbledAnswerError, match="cut short"):
            client(server).batches(SOURCE)
    whole = f"<ListBucketResult><IsTruncated>false</IsTruncated>{key}</ListBucketResult>"
    server.first["/"].append(Reply(200, whole.encode()))
    assert client(server).batches(SOURCE) == (0,)


def test_files_of_another_source_in_a_listing_do_not_count(server):
    keys = [server.key("gemma-2-2b/12-other", 3), "x" + server.key(SOURCE, 4), server.key(SOURCE, 5) + ".txt"]
    listing = "".join(f"<Key>{key}</Key>" for key in [*keys, server.key(SOURCE, 1)])
    server.first["/"].append(Reply(200, f"<ListBucketResult>{listing}</ListBucketResult>".encode()))
    assert client(server).batches(SOURCE) == (1,)


@pytest.mark.parametrize("listing", [Reply(403), Reply(404), Reply(200, b"<html>"), Reply(200, b"<Other/>")])
def test_an_address_that_lists_nothing_says_so(server, listing):
    server.first["/"].append(listing)
    assert client(server).batches(SOURCE) is None


def test_a_bulk_file_may_come_unpacked(server):
    server.files[server.key(SOURCE, 0)] = b'{"index": 5, "description": "plain"}\n\n'
    (found,) = client(server).batch(SOURCE, 0, 65_536)
    assert (found.index, found.label, found.density) == (5, "plain", None)


WHOLE = packed([{"index": str(n), "description": f"label {n}"} for n in range(50)])


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[:-40],
        WHOLE[:40] + b"\x00" * 20 + WHOLE[60:],
        WHOLE[:-8] + b"\x00" * 8,
        packed([{"index": "x", "description": "a"}]),
        packed([{"description": "a"}]),
        packed([{"index": "1", "description": "a"}, {"index": "2", "description": "a", "modelId": "gemma-2-9b"}]),
        packed([{"index": "1", "description": "a", "layer": "3-other-sae"}]),
        packed([{"index": "65536", "description": "a"}]),
        b"\x1f\x8b",
        b"not json",
        packed([[]]),
    ],
)
def test_a_damaged_bulk_file_is_one_sentence_of_its_own_kind(server, data):
    server.files[server.key(SOURCE, 4)] = data
    with pytest.raises(GarbledAnswerError, match=f"Bulk file 4 of {SOURCE} is damaged"):
        client(server).batch(SOURCE, 4, 65_536)


def test_the_public_bucket_s_labels_are_the_public_site_s():
    client = Neuronpedia("http://127.0.0.1:9", NEURONPEDIA_BULK.unset)
    assert client.site_of(NEURONPEDIA_BULK.unset) == NEURONPEDIA.unset
    assert client.site_of("http://127.0.0.1:8") == ""


def test_requests_are_spaced_evenly_below_the_limit():
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(3600, clock=lambda: now[0], sleep=sleep)
    for _ in range(4):
        pace.wait()
    assert slept == pytest.approx([1.0, 1.0, 1.0])
    now[0] += 10  # time that passed unused is not saved up for a burst
    pace.wait()
    pace.wait()
    assert slept == pytest.approx([1.0] * 4)
