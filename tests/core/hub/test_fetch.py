"""Looking at repositories and fetching from them, over the real huggingface_hub against the loopback hub."""

import hashlib
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from huggingface_hub import constants, hf_hub_download, snapshot_download, try_to_load_from_cache

from core.errors import Cancelled, GarbledAnswerError, OfflineError
from core.hub import listing as hub_listing
from core.hub import transfer as hub_transfer
from core.hub.fetch import Wanted, fetch, look
from tests.loopback_hub.environment import go_offline, python_process
from tests.loopback_hub.handler import Handler

REPO = "some/model"
BYTES = 1_000_000
FILES = Wanted(REPO, ("config.json", "*.safetensors"))
WEIGHTS = "model.safetensors"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(hub_listing, "WAITS", (0.01, 0.01, 0.01))
    monkeypatch.setattr(hub_transfer, "WAITS", (0.01, 0.01, 0.01, 0.01))


@pytest.fixture
def made(hub, tmp_path):
    """The folder that is served as some/model."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "config.json").write_text('{"a": 1}')
    (folder / "README.md").write_text("Not wanted.")
    (folder / WEIGHTS).write_bytes(np.random.default_rng(0).bytes(BYTES))
    hub.add(REPO, folder)
    return folder


def blob(wanted: Wanted = FILES, name: str = WEIGHTS):
    etag = next(file.etag for file in look(wanted).files if file.name == name)
    return hub_listing.repo_folder(wanted) / "blobs" / etag


def content(folder, name: str = WEIGHTS) -> bytes:
    return (folder / name).read_bytes()


def test_look_tells_sizes_hashes_and_what_is_here(hub, made):
    listing = look(FILES)
    assert [file.name for file in listing.files] == ["config.json", WEIGHTS]
    assert listing.commit == hub.repositories["model", REPO].refs["main"]
    assert (listing.total_bytes, listing.missing_bytes) == (BYTES + 8, BYTES + 8)
    assert listing.files[1].sha256 == hashlib.sha256(content(made)).hexdigest() and listing.files[0].sha256 is None
    assert (listing.gated, listing.needs_token, listing.online) == (None, False, True)
    assert not os.path.exists(constants.HF_HUB_CACHE)  # looking leaves nothing behind
    assert not hub.deliveries(REPO, WEIGHTS)
    fetch(Wanted(REPO, ("config.json",)))
    listing = look(FILES)
    assert [file.here for file in listing.files] == [True, False] and listing.missing_bytes == BYTES


def test_fetch_puts_the_files_where_huggingface_hub_has_them(hub, made):
    folder = fetch(FILES)
    assert content(folder) == content(made) and content(folder, "config.json") == content(made, "config.json")
    assert not (folder / "README.md").exists()
    assert try_to_load_from_cache(REPO, WEIGHTS) == str(folder / WEIGHTS)
    hub.requests.clear()
    assert hf_hub_download(REPO, WEIGHTS) == str(folder / WEIGHTS)
    assert fetch(FILES) == folder and look(FILES).missing == ()
    assert not hub.deliveries(REPO, WEIGHTS) and not hub.deliveries(REPO, "config.json")


def test_what_another_program_has_downloaded_is_found(hub, made):
    snapshot = snapshot_download(REPO, allow_patterns=["config.json", WEIGHTS])
    hub.requests.clear()
    assert look(FILES).missing_bytes == 0
    assert str(fetch(FILES)) == snapshot and not hub.deliveries(REPO, WEIGHTS)


def test_a_file_unchanged_in_a_new_commit_is_not_downloaded_again(hub, made, tmp_path):
    old = fetch(FILES)
    (made / "config.json").write_text('{"a": 2}')
    assert hub.add(REPO, made) != old.name
    assert [file.here for file in look(FILES).files] == [False, True]
    new = fetch(FILES)
    assert new != old and content(new, "config.json") == b'{"a": 2}' and content(new) == content(made)
    assert len(hub.deliveries(REPO, WEIGHTS)) == 1
    assert fetch(Wanted(REPO, FILES.files, revision=old.name)) == old  # a commit is a revision


def test_datasets_and_files_without_the_other_host(hub, made):
    hub.links = False
    hub.add("some/prompts", made, kind="dataset")
    folder = fetch(Wanted("some/prompts", ("*.json", "*.safetensors"), kind="dataset"))
    assert content(folder) == content(made) and "datasets--some--prompts" in str(folder)


def test_progress_rises_to_one_and_tells_bytes(hub, made):
    hub.slows(REPO, WEIGHTS, 1_500_000)
    told = []
    fetch(FILES, lambda sentence, share: told.append((sentence, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 1.0
    assert len({share for share in shares if 0.05 < share < 0.95}) >= 3
    assert any(f"Downloading {WEIGHTS}" in sentence and "of 1.0 MB" in sentence for sentence, _ in told)


def test_progress_and_cancelled_are_called_in_the_callers_thread(hub, made):
    hub.slows(REPO, WEIGHTS, 2_000_000)
    threads = set()
    fetch(
        FILES, lambda *_: threads.add(threading.current_thread()), lambda: bool(threads.add(threading.current_thread()))
    )
    assert threads == {threading.current_thread()}


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub, made):
    hub.breaks_off(REPO, WEIGHTS, after=300_000, times=2)
    folder = fetch(FILES)
    assert content(folder) == content(made)
    assert [r.first_byte for r in hub.deliveries(REPO, WEIGHTS)] == [0, 300_000, 600_000]


def test_however_often_it_breaks_it_ends_as_long_as_something_arrives(hub, made):
    hub.breaks_off(REPO, WEIGHTS, after=90_000)
    assert content(fetch(FILES)) == content(made)
    assert len(hub.deliveries(REPO, WEIGHTS)) == 12


def test_a_hub_that_serves_no_ranges_sends_all_of_it_again(hub, made):
    hub.ranges = False
    hub.breaks_off(REPO, WEIGHTS, after=300_000, times=1)
    hub.breaks_off(REPO, WEIGHTS, after=500_000, times=1)
    assert content(fetch(FILES)) == content(made)
    assert len(hub.deliveries(REPO, WEIGHTS)) == 3


def test_a_download_whole_but_for_its_name_is_only_checked(hub, made):
    partial = hub_listing.partial_file(blob())
    partial.parent.mkdir(parents=True)
    partial.write_bytes(content(made))
    assert content(fetch(FILES)) == content(made) and not hub.deliveries(REPO, WEIGHTS)


def test_killed_in_the_middle_it_goes_on_where_it_was(hub, made, tmp_path):
    hub.slows(REPO, WEIGHTS, 400_000)
    partial = hub_listing.partial_file(blob())
    code = f"from core.hub.fetch import Wanted, fetch\nfetch(Wanted({REPO!r}, {FILES.files!r}))"
    with python_process(hub, code, tmp_path / "hf") as process:
        deadline = time.monotonic() + 120
        while not (partial.is_file() and partial.stat().st_size > 150_000):
            assert time.monotonic() < deadline and process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    had = partial.stat().st_size
    assert 150_000 < had < BYTES and not blob().exists()
    hub.faults.clear()
    listing = look(FILES)
    assert listing.files[1].started == had and listing.missing_bytes == BYTES - had  # config.json came before
    folder = fetch(FILES)
    first, second = hub.deliveries(REPO, WEIGHTS)
    assert "range" not in first.headers and second.headers["range"] == f"bytes={had}-"
    assert content(folder) == content(made) and not partial.exists()


def test_cancelled_it_stops_at_once_and_keeps_what_came(hub, made):
    hub.stalls(REPO, WEIGHTS, after=400_000, times=1)  # nothing arrives any more: no byte wakes the one who waits
    partial = hub_listing.partial_file(blob())
    asked = []

    def cancelled() -> bool:
        asked.append(time.monotonic())
        return partial.is_file() and partial.stat().st_size == 400_000

    with pytest.raises(Cancelled, match="kept"):
        fetch(FILES, cancelled=cancelled)
    assert time.monotonic() - asked[-1] < 5.0  # the hub is silent until its time-out of ten seconds
    assert not [thread for thread in threading.enumerate() if thread.name == f"download {REPO}"]
    assert len(asked) < 3 or np.median(np.diff(asked)) < 0.3
    assert partial.stat().st_size == 400_000
    assert content(fetch(FILES)) == content(made)
    assert hub.deliveries(REPO, WEIGHTS)[-1].first_byte == 400_000


def test_a_page_that_goes_away_stops_the_download(hub, made):
    """Streamlit stops a script by an exception of its own out of whatever is called next."""
    hub.slows(REPO, WEIGHTS, 200_000)

    class Stop(BaseException):
        pass

    def progress(sentence: str, share: float) -> None:
        if share > 0.1:
            raise Stop

    with pytest.raises(Stop):
        fetch(FILES, progress)
    size = hub_listing.partial_file(blob()).stat().st_size
    time.sleep(0.3)
    assert hub_listing.partial_file(blob()).stat().st_size == size < BYTES
    assert not [thread for thread in threading.enumerate() if thread.name == f"download {REPO}"]


def test_many_at_once_download_each_file_once(hub, made):
    hub.slows(REPO, WEIGHTS, 2_000_000)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: fetch(FILES), range(4)))
    assert len(folders) == 1 and content(folders.pop()) == content(made)
    assert len(hub.deliveries(REPO, WEIGHTS)) == 1


def test_waiting_for_another_download_can_be_cancelled(hub, made):
    hub.slows(REPO, WEIGHTS, 400_000)
    partial, told = hub_listing.partial_file(blob()), []
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fetch, FILES)
        while not partial.is_file():
            time.sleep(0.01)
        with pytest.raises(Cancelled):
            fetch(FILES, lambda sentence, _: told.append(sentence), lambda: any("Waiting" in t for t in told))
        assert content(first.result()) == content(made)
    assert len(hub.deliveries(REPO, WEIGHTS)) == 1


def test_a_half_finished_file_of_huggingface_hubs_does_not_pass_for_whole(hub, made):
    folder = fetch(FILES)
    whole = os.path.realpath(folder / WEIGHTS)
    with open(whole, "r+b") as file:
        file.truncate(BYTES // 2)
    assert look(FILES).missing_bytes == BYTES
    assert content(fetch(FILES)) == content(made)
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).write_bytes(b"a copy cut short, where links cannot be")
    os.remove(whole)
    assert content(fetch(FILES)) == content(made)


def test_leftovers_that_are_longer_than_the_file_are_dropped(hub, made):
    partial = hub_listing.partial_file(blob())
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * (BYTES + 1))
    assert content(fetch(FILES)) == content(made)
    assert hub.deliveries(REPO, WEIGHTS)[0].first_byte == 0


def test_empty_files_are_files(hub, tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "empty.json").touch()
    hub.add(REPO, tmp_path / "made")
    assert content(fetch(Wanted(REPO, ("empty.json",))), "empty.json") == b""


def test_offline_what_is_here_is_used(hub, made, monkeypatch):
    folder = fetch(FILES)
    go_offline(monkeypatch)
    hub.requests.clear()
    told = []
    listing = look(FILES)
    assert not listing.online and listing.missing == () and listing.folder == folder
    assert fetch(FILES, lambda sentence, share: told.append(share)) == folder and told[-1] == 1.0
    assert not hub.requests
    assert fetch(Wanted(REPO, FILES.files, revision=folder.name)) == folder


def test_without_a_network_what_is_here_is_used(hub, made, monkeypatch):
    folder = fetch(FILES)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    assert fetch(FILES) == folder


def test_a_hub_in_trouble_does_not_keep_from_what_is_here(hub, made):
    folder = fetch(FILES)
    hub.fails(REPO, "*", 503)
    hub.fails(REPO, "", 503)
    assert fetch(FILES) == folder


def test_offline_a_repository_that_transformers_downloaded_is_used(hub, made, monkeypatch):
    """File by file, so that no list of the commit's files was kept."""
    folder = os.path.dirname(hf_hub_download(REPO, WEIGHTS))
    hf_hub_download(REPO, "config.json")
    go_offline(monkeypatch)
    assert str(fetch(FILES)) == folder


@pytest.mark.parametrize("name", [WEIGHTS, "config.json"])
def test_a_file_that_changed_on_this_machine_is_put_aside_and_fetched_again(hub, made, name):
    folder = fetch(FILES)
    good, where = content(folder, name), blob(name=name)
    damaged = bytearray(good)
    damaged[-2] ^= 1
    where.write_bytes(damaged)
    assert content(fetch(FILES), name) == good
    assert [aside.read_bytes() for aside in where.parent.glob("*.aside-*")] == [bytes(damaged)]


def test_a_changed_file_is_told_where_it_cannot_be_fetched_again(hub, made, monkeypatch):
    fetch(FILES)
    blob().write_bytes(bytes(BYTES))
    go_offline(monkeypatch)
    with pytest.raises(OfflineError, match="was damaged on this machine and put aside"):
        fetch(FILES)


PINNED = "a" * 40


@pytest.mark.parametrize("revision", [PINNED, PINNED.upper()])
@pytest.mark.parametrize("ask", [look, fetch])
def test_a_pinned_commit_is_not_answered_with_another(hub, made, monkeypatch, revision, ask):
    answer = Handler.do_GET

    def lie(self):
        self.path = self.path.replace(PINNED, "main")
        answer(self)

    monkeypatch.setattr(Handler, "do_GET", lie)
    with pytest.raises(GarbledAnswerError, match=f"where {revision} was asked for") as refused:
        ask(Wanted(REPO, FILES.files, revision=revision))
    assert "\n" not in str(refused.value) and not os.path.exists(constants.HF_HUB_CACHE)


@pytest.mark.parametrize("revision", [PINNED, PINNED.upper()])
@pytest.mark.parametrize("ask", [look, fetch])
def test_a_ref_that_leads_a_pinned_commit_to_another_is_not_followed(hub, made, monkeypatch, revision, ask):
    ref = hub_listing.repo_folder(FILES) / "refs" / revision
    other = fetch(FILES).name
    ref.write_text(other)
    before = sorted(ref.parents[1].rglob("*"))
    go_offline(monkeypatch)
    with pytest.raises(OfflineError):
        ask(Wanted(REPO, FILES.files, revision=revision))
    assert sorted(ref.parents[1].rglob("*")) == before


@pytest.mark.parametrize("spelt", [str, str.upper])
def test_a_wrong_ref_of_a_pinned_commit_goes_once_the_commit_is_here(hub, made, spelt):
    old = fetch(FILES)
    (made / "config.json").write_text('{"a": 2}')
    hub.add(REPO, made)
    new = fetch(FILES)
    pinned = Wanted(REPO, FILES.files, revision=spelt(old.name))
    ref = hub_listing.repo_folder(FILES) / "refs" / spelt(old.name)
    ref.write_text(new.name)
    assert fetch(pinned) == old and not ref.exists() and look(pinned).commit == old.name
