"""Labels in the store: asked for once and kept, bulk files resumed, all sources put together in one order."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cache.store import labels as module
from cache.store.database import Store
from cache.store.labels import NeuronpediaLabels, labels_of, made_folder
from core import Engine, Feature
from core.errors import DownloadError, GarbledAnswerError
from core.labels.contexts import Context
from core.labels.neuronpedia import Neuronpedia, Pace
from core.labels.notes import COLUMNS, made_file
from core.labels.origins import MADE_OF, origins_of
from tests.neuronpedia_server import NeuronpediaServer, Reply, feature, packed

SOURCE = "gemma-2-2b/12-gemmascope-res-65k"
HERE, ELSEWHERE = Feature(12, 7), Feature(3, 7)


@pytest.fixture
def server():
    with NeuronpediaServer() as running:
        yield running


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "labels.duckdb")


@pytest.fixture
def labels(server, store):
    return of(server, store)


def of(server, store) -> NeuronpediaLabels:
    client = Neuronpedia(server.url, server.url, backoff=0.01, retries=1, pace=Pace(10**9))
    return NeuronpediaLabels(lambda: store, {12: SOURCE}, client)


def again(labels, server) -> NeuronpediaLabels:
    """As another process would find them: the file closed and opened again."""
    path = labels.store().path
    labels.store().close()
    return of(server, Store(path))


def test_a_page_is_asked_for_once_and_kept_for_good(labels, server):
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "words of regret")
    before = labels.version
    assert labels.label(HERE) == "" and labels.note(HERE) is None and server.asked == []
    assert labels.look_up(HERE).explained.label == "words of regret"
    assert labels.version != before and labels.label(HERE) == "words of regret"
    labels.look_up(HERE)
    assert len(server.asked) == 1
    found = again(labels, server)
    note = found.note(HERE)
    assert (note.label, note.origin, note.about) == (
        "words of regret",
        "Neuronpedia",
        "explained by gpt-4o-mini · oai_token-act-pair",
    )
    assert (note.density, note.max_activation, note.promoted, note.suppressed) == (
        0.00321,
        12.5,
        "sorry, Sorry",
        "sure",
    )
    assert note.contexts[0] == Context("I am", " sorry", " to", 12.5) and len(note.contexts) == 2
    assert note.link == f"{server.url}/{SOURCE}/7" and len(found) == 1 and len(server.asked) == 1


def test_where_and_when_are_kept(labels, server):
    looked = labels.look_up(HERE)
    assert looked.explained is None and looked.site == server.url
    assert timedelta(0) <= module.now() - looked.asked_at < timedelta(minutes=1)


@pytest.mark.parametrize("page", [None, feature(SOURCE, 7)])
def test_that_there_is_none_is_kept_too_and_asked_again_after_a_while(labels, server, monkeypatch, page):
    server.pages[SOURCE, 7] = page
    labels.look_up(HERE)
    labels.look_up(HERE)
    assert len(server.asked) == 1 and labels.label(HERE) == "" and not labels.worth_asking(HERE)
    monkeypatch.setattr(module, "ASK_AGAIN_AFTER", timedelta(0))
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "explained since")
    assert labels.worth_asking(HERE)
    labels.look_up(HERE)
    assert labels.label(HERE) == "explained since" and not labels.worth_asking(HERE)


def test_a_layer_without_a_source_is_never_asked_for(labels, server):
    assert labels.look_up(ELSEWHERE) is None and not labels.worth_asking(ELSEWHERE)
    assert labels.page(ELSEWHERE) == "" and labels.note(ELSEWHERE) is None and server.asked == []


def test_offline_what_is_here_is_used_and_the_rest_is_one_sentence(labels, server):
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "words of regret")
    labels.look_up(HERE)
    labels = NeuronpediaLabels(
        labels.store, {12: SOURCE}, Neuronpedia("http://127.0.0.1:9", "http://127.0.0.1:9", backoff=0.01)
    )
    assert labels.look_up(HERE).explained.label == "words of regret"
    with pytest.raises(DownloadError, match="cannot be reached"):
        labels.look_up(Feature(12, 8))
    with pytest.raises(DownloadError, match="cannot be reached"):
        labels.fetch(SOURCE, 65536)
    assert labels.looked(Feature(12, 8)) is None, "not having asked is not the same as there being none"


def test_a_whole_source_in_bulk(labels, server):
    wanted = {index: f"label {index}" for index in range(0, 60, 2)}
    server.bulk(SOURCE, wanted, 7)
    told = []
    bulk = labels.fetch(SOURCE, 65536, lambda message, share: told.append((message, share)))
    assert (bulk.batches, bulk.had, bulk.fetched, bulk.labels) == (5, 0, 5, 30) and bulk.complete
    assert [share for _, share in told] == sorted(share for _, share in told) and told[-1][1] == 1.0
    assert told[0][0] == f"{SOURCE}: file 1 of 5"
    found = again(labels, server)
    assert {i: found.label(Feature(12, i)) for i in range(60)} == {i: wanted.get(i, "") for i in range(60)}
    note = found.note(Feature(12, 2))
    assert (note.label, note.density, note.contexts) == ("label 2", None, ()) and found.note(Feature(12, 3)) is None
    assert found.fetched(SOURCE)[0] == 5 and found.worth_asking(Feature(12, 2)), "a page knows more than a bulk file"


def test_a_second_call_fetches_only_what_is_not_here(labels, server):
    server.bulk(SOURCE, {index: f"label {index}" for index in range(20)}, 5)
    calls = iter([False, False, True])
    bulk = labels.fetch(SOURCE, 65536, cancelled=lambda: next(calls))
    assert bulk.cancelled and bulk.fetched == 2 and not bulk.complete and "stopped" in bulk.sentence()
    server.asked.clear()
    bulk = again(labels, server).fetch(SOURCE, 65536)
    assert (bulk.had, bulk.fetched, bulk.labels) == (2, 2, 20) and bulk.complete
    assert [path.rpartition("/")[2] for path in server.asked[1:]] == ["batch-2.jsonl.gz", "batch-3.jsonl.gz"]


def test_a_connection_lost_in_the_middle_loses_nothing(labels, server):
    server.bulk(SOURCE, {index: f"label {index}" for index in range(20)}, 5)
    server.first[f"/{server.key(SOURCE, 2)}"].extend([Reply(500)] * 2)
    with pytest.raises(DownloadError, match="status 500"):
        labels.fetch(SOURCE, 65536)
    assert labels.fetched(SOURCE)[0] == 2
    assert labels.fetch(SOURCE, 65536).complete and len(labels) == 20


@pytest.mark.parametrize("lists", [True, False])
def test_a_file_missing_in_the_middle_is_said_and_fetched_later(labels, server, lists):
    server.lists = lists
    server.bulk(SOURCE, {index: f"label {index}" for index in range(50)}, 10)
    hidden = server.files.pop(server.key(SOURCE, 2))
    bulk = labels.fetch(SOURCE, 5000)
    assert (bulk.batches, bulk.fetched, bulk.missing) == (5, 4, (2,)) and not bulk.complete
    assert "file 2 is missing on Neuronpedia" in bulk.sentence() and bulk.labels == 40
    server.files[server.key(SOURCE, 2)] = hidden
    bulk = labels.fetch(SOURCE, 5000)
    assert (bulk.had, bulk.fetched, bulk.labels) == (4, 1, 50) and bulk.complete


@pytest.mark.parametrize("lists", [True, False])
def test_a_damaged_file_is_said_and_the_others_are_kept(labels, server, lists):
    server.lists = lists
    server.bulk(SOURCE, {index: f"label {index}" for index in range(30)}, 10)
    whole = server.files[server.key(SOURCE, 1)]
    server.files[server.key(SOURCE, 1)] = whole[:-20]
    bulk = labels.fetch(SOURCE, 5000)
    assert list(bulk.damaged) == [1] and bulk.fetched == 2 and not bulk.complete
    assert f"file 1 arrived damaged ({bulk.damaged[1]}). Run it again" in bulk.sentence()
    server.files[server.key(SOURCE, 1)] = whole
    assert labels.fetch(SOURCE, 5000).complete and len(labels) == 30


@pytest.mark.parametrize("lists", [True, False])
def test_a_source_nobody_has_is_no_error(labels, server, lists):
    server.lists = lists
    bulk = labels.fetch(SOURCE, 65536)
    assert (
        bulk.batches == 0 and not bulk.complete and bulk.sentence() == f"Neuronpedia has no explanations for {SOURCE}."
    )
    assert len(server.asked) <= 4


def test_without_a_listing_the_end_is_found(labels, server):
    server.lists = False
    server.bulk(SOURCE, {index: f"label {index}" for index in range(30)}, 10)
    bulk = labels.fetch(SOURCE, 65536)
    assert (bulk.batches, bulk.fetched, bulk.missing) == (3, 3, ()) and bulk.complete


def test_a_page_wins_over_a_bulk_file_and_an_unexplained_page_does_not(labels, server):
    server.bulk(SOURCE, {7: "in bulk", 8: "in bulk"}, 10)
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "on its page")
    server.pages[SOURCE, 8] = feature(SOURCE, 8)
    labels.look_up(HERE)
    labels.look_up(Feature(12, 8))
    labels.fetch(SOURCE, 65536)
    assert [labels.label(Feature(12, i)) for i in (7, 8)] == ["on its page", "in bulk"]
    assert [labels.note(Feature(12, i)).label for i in (7, 8)] == ["on its page", "in bulk"]


def test_of_an_explanation_in_each_of_two_files_the_first_counts(labels, server):
    server.files[server.key(SOURCE, 0)] = b'{"index": 5, "description": "first"}'
    server.files[server.key(SOURCE, 1)] = b'{"index": 5, "description": "second"}'
    labels.fetch(SOURCE, 65536)
    assert labels.label(Feature(12, 5)) == labels.note(Feature(12, 5)).label == "first"


def test_another_mirror_s_files_are_fetched_anew(labels, server, store):
    server.bulk(SOURCE, {1: "one"}, 10)
    labels.fetch(SOURCE, 65536)
    with NeuronpediaServer() as mirror:
        mirror.bulk(SOURCE, {1: "another"}, 10)
        there = of(mirror, store)
        assert there.fetch(SOURCE, 65536).fetched == 1 and there.label(Feature(12, 1)) == "another"


@pytest.mark.parametrize("other", [{"modelId": "another-model"}, {"layer": "3-other-sae-16k"}])
def test_nothing_about_another_model_or_source_is_kept(labels, server, other):
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "of another SAE") | other
    with pytest.raises(GarbledAnswerError, match="it is about"):
        labels.look_up(HERE)
    server.files[server.key(SOURCE, 0)] = packed([{"index": "7", "description": "of another SAE"} | other])
    bulk = labels.fetch(SOURCE, 65536)
    assert "a row is about" in bulk.sentence() and bulk.labels == 0 and not bulk.complete
    assert labels.looked(HERE) is None and labels.label(HERE) == "" and len(labels) == 0


def test_a_file_with_a_feature_beyond_the_sae_is_of_another_one(labels, server):
    rows = [{"index": index, "description": "a label"} for index in (0, 47, 999_999)]
    server.files[server.key(SOURCE, 0)] = packed(rows[:2])
    server.files[server.key(SOURCE, 1)] = packed(rows)
    bulk = labels.fetch(SOURCE, 48)
    assert (bulk.fetched, bulk.labels, bulk.complete) == (1, 2, False) and len(labels) == 2
    assert "a row is about feature 999,999, and the SAE has 48" in bulk.sentence()
    assert labels.label(Feature(12, 999_999)) == ""


def test_a_label_stands_with_the_link_of_the_address_it_is_from(labels, server, store):
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "on a page")
    server.bulk(SOURCE, {8: "in bulk"}, 10)
    labels.look_up(HERE)
    labels.fetch(SOURCE, 65536)
    page, bulk, unknown = HERE, Feature(12, 8), Feature(12, 9)
    links = {page: f"{server.url}/{SOURCE}/7", bulk: f"{server.url}/{SOURCE}/8"}
    assert {f: labels.note(f).link for f in links} == {f: labels.page(f) for f in links} == links
    there = "http://127.0.0.1:9"
    moved = NeuronpediaLabels(lambda: store, {12: SOURCE}, Neuronpedia(there, there))
    assert (moved.note(page).label, moved.note(page).link, moved.page(page)) == ("on a page", *[links[page]] * 2)
    assert (moved.note(bulk).label, moved.note(bulk).link, moved.page(bulk)) == ("in bulk", "", "")
    assert moved.page(unknown) == f"{there}/{SOURCE}/9", "where it would be asked for"


def test_what_was_kept_in_memory_moves_to_the_file(server, tmp_path, monkeypatch):
    from cache.store import database as stores

    monkeypatch.setattr(stores, "RETRY_AFTER", 0.0)
    path = tmp_path / "later.duckdb"
    path.mkdir()
    labels = of(server, Store(path))
    server.bulk(SOURCE, {1: "one", 2: "two"}, 10)
    server.pages[SOURCE, 7] = feature(SOURCE, 7, "seven")
    labels.fetch(SOURCE, 65536)
    labels.look_up(HERE)
    path.rmdir()
    assert labels.fetched(SOURCE)[0] == 1 and labels.store().trouble is None
    found = again(labels, server)
    assert [found.label(Feature(12, i)) for i in (1, 2, 7)] == ["one", "two", "seven"]


def test_all_of_a_model_in_one_order(server, store, tiny, tmp_path, monkeypatch):
    """Shipped, then Neuronpedia's, then made here; what is not asked for is not fetched."""
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    shipped = pd.DataFrame([(1, 0, "shipped", 0.1, 2.0, "[]", "a")], columns=list(COLUMNS))
    shipped.to_parquet(tmp_path / "labels.parquet")
    spec = replace(tiny.spec, name="org/tiny", labels=tmp_path / "labels.parquet", neuronpedia={1: SOURCE})
    engine = Engine(replace(tiny.runtime, spec=spec), "for a test")
    made = made_file(made_folder("org/tiny"), 1)
    made.parent.mkdir(parents=True)

    def write_made(count: int) -> None:
        rows = [(1, i, f"made {i}", 0.2, 3.0, '[{"token": "x"}]', "b") for i in range(count)]
        table = pa.Table.from_pandas(pd.DataFrame(rows, columns=list(COLUMNS)))
        pq.write_table(table.replace_schema_metadata({MADE_OF: origins_of(engine)[1]}), made)

    write_made(4)
    server.pages[SOURCE, 2] = feature(SOURCE, 2)
    server.bulk(SOURCE, {0: "from afar", 1: "from afar"}, 10)
    client = Neuronpedia(server.url, server.url, pace=Pace(10**9))
    there = NeuronpediaLabels(lambda: store, spec.neuronpedia, client)
    there.fetch(SOURCE, 4)
    there.look_up(Feature(1, 2))
    found, asked = labels_of(engine, there), len(server.asked)
    assert [found.label(Feature(1, i)) for i in range(5)] == ["shipped", "from afar", "made 2", "made 3", ""]
    origins = [found.note(Feature(1, i)).origin for i in range(4)]
    assert origins == ["shipped", "Neuronpedia", "made here", "made here"]
    assert found.note(Feature(1, 4)) is None and len(found) == 1 + 2 + 4 and len(server.asked) == asked
    before = found.version
    write_made(3)
    assert found.version != before and found.label(Feature(1, 3)) == "" and len(found) == 1 + 2 + 3
