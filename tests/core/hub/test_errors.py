"""Each trouble with a download: one typed sentence that says what, where, and how to mend it."""

import json
import os
import shutil
import socket
from dataclasses import replace

import numpy as np
import pytest
from huggingface_hub import hf_hub_download

from core.errors import DownloadError, GarbledAnswerError, GatedError, HydrascopeError, OfflineError
from core.hub import listing as hub_listing
from core.hub import transfer as hub_transfer
from core.hub.fetch import Wanted, fetch, look
from tests.loopback_hub.environment import go_offline
from tests.loopback_hub.repository import Repository

REPO = "google/gemma"
WEIGHTS = "model.safetensors"
FILES = Wanted(REPO, ("config.json", "*.safetensors"))
BYTES = 400_000


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(hub_listing, "WAITS", (0.01, 0.01, 0.01))
    monkeypatch.setattr(hub_transfer, "WAITS", (0.01, 0.01, 0.01, 0.01))


@pytest.fixture
def made(hub, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "config.json").write_text('{"a": 1}')
    (folder / WEIGHTS).write_bytes(np.random.default_rng(0).bytes(BYTES))
    hub.add(REPO, folder)
    return folder


def refused(kind: type[HydrascopeError], *words: str, wanted: Wanted = FILES, ask=fetch) -> str:
    """The sentence that `ask` raises, of exactly this type and with these words in it."""
    with pytest.raises(HydrascopeError) as caught:
        ask(wanted)
    sentence = str(caught.value)
    assert type(caught.value) is kind, sentence
    assert all(word in sentence for word in words), sentence
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 330
    return sentence


def partial(wanted: Wanted = FILES):
    folder = hub_listing.repo_folder(wanted) / "blobs"
    return next(iter(folder.glob("*.incomplete")), None)


# Who may read


@pytest.mark.parametrize("kind", ["auto", "manual"])
def test_gated_without_a_token(hub, made, kind):
    hub.add(REPO, made, gated=kind)
    listing = look(FILES)
    assert (listing.gated, listing.needs_token) == (kind, True)
    assert listing.missing_bytes == BYTES + 8  # what it takes is told before anyone logs in
    refused(GatedError, "gated", f"{hub.endpoint}/{REPO}", "hf auth login", "HF_TOKEN")
    assert not hub.deliveries(REPO, WEIGHTS)


def test_gated_with_a_token_that_has_no_access(hub, made, monkeypatch):
    hub.add(REPO, made, gated="manual")
    hub.allow("hf_stranger")
    monkeypatch.setenv("HF_TOKEN", "hf_stranger")
    assert look(FILES).needs_token
    refused(GatedError, "no access", f"{hub.endpoint}/{REPO}")


def test_gated_with_access(hub, made, monkeypatch):
    hub.add(REPO, made, gated="manual")
    hub.allow("hf_good", REPO)
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    listing = look(FILES)
    assert (listing.gated, listing.needs_token) == ("manual", False)
    assert (fetch(FILES) / WEIGHTS).read_bytes() == (made / WEIGHTS).read_bytes()
    assert all("authorization" not in r.headers for r in hub.requests if r.headers["host"].startswith("localhost"))


def test_a_token_kept_by_logging_in_is_found(hub, made, tmp_path):
    hub.add(REPO, made, gated="auto")
    hub.allow("hf_good", REPO)
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_good")
    assert (fetch(FILES) / WEIGHTS).is_file()


def test_gated_datasets_name_their_own_page(hub, made):
    hub.add("some/prompts", made, kind="dataset", gated="auto")
    refused(GatedError, f"{hub.endpoint}/datasets/some/prompts", wanted=Wanted("some/prompts", ("*.json",), "dataset"))


def test_access_taken_away_between_looking_and_fetching(hub, made, monkeypatch):
    hub.fails(REPO, WEIGHTS, 401, headers={"X-Error-Code": "GatedRepo"})
    refused(GatedError, "accept its licence")


def test_a_gated_model_that_is_here_needs_no_token_any_more(hub, made, monkeypatch):
    folder = fetch(FILES)
    hub.add(REPO, made, gated="manual")
    assert fetch(FILES) == folder


def test_a_wrong_token(hub, made, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    for ask in (look, fetch):
        refused(DownloadError, "does not accept your token", "correct the value of HF_TOKEN", ask=ask)
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "hf").mkdir(exist_ok=True)
    (tmp_path / "hf" / "token").write_text("hf_wrong")
    refused(DownloadError, "does not accept your token", "hf auth login")


def test_a_token_that_may_not_read_this(hub, made, monkeypatch):
    hub.allow("hf_narrow")
    monkeypatch.setenv("HF_TOKEN", "hf_narrow")
    hub.fails(REPO, "", 403)
    refused(DownloadError, "has no access to", REPO)


# What is not there


def test_no_such_repository(hub, made, monkeypatch):
    wanted = Wanted("google/gema", ("*.json",))
    refused(DownloadError, "There is no model google/gema", hub.endpoint, "hf auth login", wanted=wanted)
    hub.allow("hf_good")
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    refused(DownloadError, "There is no model google/gema", "your token can read it", wanted=wanted)
    refused(DownloadError, "There is no dataset", wanted=Wanted(REPO, ("*.json",), "dataset"))


@pytest.mark.parametrize("name", ["a/b/c", "", "bad name", "x" * 200])
def test_what_cannot_be_a_name(hub, name):
    for ask in (look, fetch):
        refused(DownloadError, "owner/name", wanted=Wanted(name, ("*.json",)), ask=ask)


def test_no_such_revision(hub, made):
    refused(
        DownloadError, "no revision “v9”", f"{hub.endpoint}/{REPO}", wanted=Wanted(REPO, ("*.json",), "model", "v9")
    )


@pytest.mark.parametrize("pattern", ["params.npz", "*.npz"])
def test_no_such_file(hub, made, pattern):
    for ask in (look, fetch):
        refused(DownloadError, f"no file “{pattern}”", wanted=Wanted(REPO, (pattern,)), ask=ask)


def test_a_pattern_may_find_nothing_beside_others_that_do(hub, made):
    assert len(look(Wanted(REPO, ("*.json", "*.model"))).files) == 1
    refused(DownloadError, "no file “tokenizer.model”", wanted=Wanted(REPO, ("*.json", "tokenizer.model")))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "ae.pt", "sae.PKL", "x/weights.pth", "old.ckpt"])
def test_pickles_are_never_fetched(hub, made, name):
    (made / name).parent.mkdir(exist_ok=True)
    (made / name).write_bytes(b"x" * 10)
    hub.add(REPO, made)
    for pattern in (name, "*"):
        for ask in (look, fetch):
            refused(
                DownloadError, f"{REPO}/{name} is a pickle", "safetensors", wanted=Wanted(REPO, (pattern,)), ask=ask
            )
    assert not any(r.body for r in hub.requests)


@pytest.mark.parametrize("name", ["ae.pt", "sae.PTH"])
def test_torch_files_are_fetched_for_who_reads_them_without_running_them(hub, made, name):
    (made / name).write_bytes(b"x" * 10)
    hub.add(REPO, made)
    refused(DownloadError, f"{REPO}/{name} is a pickle", wanted=Wanted(REPO, (name,)))
    assert [file.name for file in look(Wanted(REPO, (name,), inert=True)).files] == [name]
    assert (fetch(Wanted(REPO, (name,), inert=True)) / name).read_bytes() == b"x" * 10


@pytest.mark.parametrize("name", ["pytorch_model.bin", "sae.pkl", "old.ckpt", "a.joblib"])
def test_no_other_pickle_is_fetched_for_them(hub, made, name):
    (made / name).write_bytes(b"x" * 10)
    hub.add(REPO, made)
    for ask in (look, fetch):
        refused(DownloadError, f"{REPO}/{name} is a pickle", wanted=Wanted(REPO, (name,), inert=True), ask=ask)


# The network


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_no_network(hub, monkeypatch):
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    for ask in (look, fetch):
        refused(OfflineError, f"The hub at {endpoint} cannot be reached", "check the network", ask=ask)


def test_told_to_be_offline(hub, made, monkeypatch):
    go_offline(monkeypatch)
    for ask in (look, fetch):
        refused(OfflineError, REPO, "HF_HUB_OFFLINE", ask=ask)


@pytest.mark.parametrize("how", ["told", "no network"])
def test_offline_what_is_missing_is_named(hub, made, monkeypatch, how):
    for n in range(1, 8):
        (made / f"model-{n}.safetensors").write_bytes(b"x" * n)
    hub.add(REPO, made)
    fetch(Wanted(REPO, ("config.json", "model-1.safetensors")))
    if how == "told":
        go_offline(monkeypatch)
    else:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    for ask in (look, fetch):
        sentence = refused(OfflineError, "is incomplete", "model-2.safetensors", "and 2 more", ask=ask)
        assert "config.json" not in sentence and "model-1.safetensors" not in sentence


def test_offline_a_shard_that_transformers_did_not_get_is_named(hub, made, monkeypatch):
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for name in names:
        (made / name).write_bytes(b"x")
    index = {"weight_map": {"a": names[0], "b": names[1]}}
    (made / "model.safetensors.index.json").write_text(json.dumps(index))
    hub.add(REPO, made)
    hf_hub_download(REPO, "model.safetensors.index.json")
    hf_hub_download(REPO, names[0])
    go_offline(monkeypatch)
    refused(OfflineError, names[1], wanted=Wanted(REPO, ("*.json", "model-*.safetensors")))
    refused(OfflineError, "config.json", wanted=Wanted(REPO, ("config.json", "*.index.json")))


def test_a_download_that_breaks_off_and_never_goes_on(hub, made):
    hub.breaks_off(REPO, WEIGHTS, after=150_000, times=1)
    hub.breaks_off(REPO, WEIGHTS, after=0)
    refused(OfflineError, f"The download of {WEIGHTS}", "stopped at 150 kB of 400 kB", "is kept")
    assert partial().stat().st_size == 150_000
    assert len(hub.deliveries(REPO, WEIGHTS)) == 1 + 5  # what came, and five times nothing
    hub.faults.clear()
    fetch(FILES)
    assert hub.deliveries(REPO, WEIGHTS)[-1].first_byte == 150_000


def test_a_hub_that_falls_silent_is_not_waited_for_without_end(hub, made, monkeypatch):
    monkeypatch.setattr(hub_transfer, "TIMEOUT", 0.2)
    hub.stalls(REPO, WEIGHTS, after=100_000, times=1)
    assert (fetch(FILES) / WEIGHTS).read_bytes() == (made / WEIGHTS).read_bytes()
    assert [r.first_byte for r in hub.deliveries(REPO, WEIGHTS)] == [0, 100_000]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_hub_that_stumbles_is_asked_again(hub, made, status):
    hub.fails(REPO, "", status, times=2)
    hub.fails(REPO, WEIGHTS, status, times=2)
    assert (fetch(FILES) / WEIGHTS).is_file()


@pytest.mark.parametrize("where", ["", WEIGHTS])
def test_a_hub_in_trouble(hub, made, where):
    hub.fails(REPO, where, 503)
    refused(DownloadError, f"The hub at {hub.endpoint} has a problem", "503", "try again later")


@pytest.mark.parametrize("where", ["", WEIGHTS])
def test_too_many_requests(hub, made, where):
    hub.fails(REPO, where, 429, headers={"Retry-After": "3600"})
    refused(DownloadError, "too many requests", "wait")
    assert sum(request.repo == REPO for request in hub.requests) < 8  # an hour is not waited, nor asked through


def test_something_that_is_no_hub(hub, made, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.endpoint}/elsewhere")
    refused(DownloadError, f"{hub.endpoint}/elsewhere")
    monkeypatch.setenv("HF_ENDPOINT", "not a url")
    refused(GarbledAnswerError, "not a url", "HF_ENDPOINT")


def test_a_login_page_in_between(hub, made):
    hub.fails(REPO, "", 200, headers={"Content-Type": "text/html"})
    for ask in (look, fetch):
        refused(GarbledAnswerError, "does not answer like a model hub", "your proxy", ask=ask)


# The files and the disk


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_a_damaged_file_is_removed_and_told(hub, made, name):
    hub.corrupts(REPO, name, times=1)
    refused(DownloadError, f"{name} from {REPO} arrived damaged", "removed", "download it again")
    assert partial() is None
    folder = fetch(FILES)
    assert (folder / name).read_bytes() == (made / name).read_bytes()


def test_a_damaged_beginning_is_found_at_the_end(hub, made):
    hub.breaks_off(REPO, WEIGHTS, after=100_000, times=1)
    hub.breaks_off(REPO, WEIGHTS, after=0, times=5)
    refused(OfflineError)
    left = bytearray(partial().read_bytes())
    left[50_000] ^= 1
    partial().write_bytes(left)
    refused(DownloadError, "damaged")
    assert (fetch(FILES) / WEIGHTS).read_bytes() == (made / WEIGHTS).read_bytes()


@pytest.mark.parametrize("arrived", [0, 200_000])
def test_a_file_shorter_than_the_hub_says_is_damaged(hub, made, monkeypatch, arrived):
    """It was replaced on the server without a commit: no number of requests would bring the rest."""
    if arrived:
        hub.breaks_off(REPO, WEIGHTS, after=arrived, times=1)
        hub.breaks_off(REPO, WEIGHTS, after=0, times=5)
        refused(OfflineError)
    true, served = Repository.info, hub.repositories["model", REPO]
    monkeypatch.setattr(Repository, "info", lambda *_, **__: answer)
    answer = true(served, served.refs["main"], blobs=True)
    (made / WEIGHTS).write_bytes(b"x" * 150_000)
    files = served.commits[served.refs["main"]]
    files[WEIGHTS] = replace(files[WEIGHTS], bytes=150_000)
    hub.requests.clear()
    refused(DownloadError, "damaged")
    assert partial() is None and len(hub.deliveries(REPO, WEIGHTS)) == 1


@pytest.mark.parametrize(
    "told", [{"rfilename": "../../outside.json"}, {"rfilename": "/outside.json"}, {"blobId": "../outside"}]
)
def test_names_that_lead_out_of_the_cache_are_not_followed(hub, made, monkeypatch, told):
    true = Repository.info

    def info(self, commit, blobs):
        answer = true(self, commit, blobs)
        answer["siblings"][0] |= told
        return answer

    monkeypatch.setattr(Repository, "info", info)
    refused(GarbledAnswerError, "does not answer like a model hub", wanted=Wanted(REPO, ("*.json",)))
    assert not hub.deliveries(REPO, "config.json")


def test_too_little_room_is_said_before_anything_is_downloaded(hub, made, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=150_000))
    refused(DownloadError, "needs 400 kB", "150 kB free", "free 250 kB more", "HF_HUB_CACHE")
    assert not hub.deliveries(REPO, WEIGHTS) and not hub.deliveries(REPO, "config.json")


def test_of_a_half_finished_file_only_the_rest_needs_room(hub, made, monkeypatch):
    hub.breaks_off(REPO, WEIGHTS, after=300_000, times=1)
    hub.breaks_off(REPO, WEIGHTS, after=0, times=5)
    refused(OfflineError)
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=150_000))
    assert (fetch(FILES) / WEIGHTS).is_file()


def test_a_disk_that_fills_up_while_writing(hub, made):
    blobs = hub_listing.repo_folder(FILES) / "blobs"
    blobs.mkdir(parents=True)
    etag = look(FILES).files[1].etag
    hub_listing.partial_file(blobs / etag).symlink_to("/dev/full")  # every write fails with ENOSPC, by the kernel
    refused(DownloadError, "The disk is full", "free some space", str(blobs.parents[1]))


def test_a_cache_folder_that_cannot_be_written(hub, made, tmp_path):
    (tmp_path / "hf").mkdir(exist_ok=True)
    (tmp_path / "hf" / "hub").write_text("a file where the folder should be")
    refused(DownloadError, "cannot be written", str(tmp_path / "hf" / "hub"), "HF_HUB_CACHE")


def test_a_bug_stays_a_bug(hub, made, monkeypatch):
    """What is not foreseen comes out as it is, not dressed up as trouble with the network."""
    monkeypatch.setattr(hub_transfer, "download", None)
    monkeypatch.setattr("core.hub.fetch.download", lambda *_: {}["nothing"])
    with pytest.raises(KeyError):
        fetch(FILES)


def test_the_endpoint_is_read_at_each_call(hub, made, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint + "/")
    assert look(FILES).online
    assert os.environ["HF_ENDPOINT"].endswith("/")
