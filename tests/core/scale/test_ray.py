"""A run on a real Ray cluster of this machine: the rows of a run without it, bit for bit, whatever ends on the way.

Workers are processes of one thread. The cluster listens on 127.0.0.1 and has two GPUs that it only counts.
"""

import json
import os
import re
import secrets
import threading
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from cache.jobs import search
from cache.jobs.queue import Queue
from cache.store import database as stores
from cache.store.database import Store, shared_store
from cache.store.runs import Runs
from core.commands.command_line import main
from core.discovery.context import Work
from core.discovery.ledger import MemoryLedger
from core.discovery.runner import run_steps
from core.errors import Cancelled, ClusterError
from core.models import registry
from core.scale.cluster import LOCAL, Size
from core.scale.identity import identity_of
from core.scale.search import ray_crew
from core.training.chats import compose
from core.training.record import record
from core.training.recorders import RayRecorders
from core.training.weights import weights_used
from tests import ray_workers
from tests.forked import running_command
from tests.small_search import INPUTS, SETTINGS, TEXTS, judge, use_small_judge
from tests.waiting import until

pytestmark = pytest.mark.slow
TWO = Size(2, 1)


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def cluster(tiny, tiny_spec, faults, tmp_path_factory):
    """Two processors and two pretended GPUs, and this process as the driver."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ray_workers.environment(tiny_spec, faults).items():
            patch.setenv(name, value)
        patch.setenv("HYDRASCOPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # so that it listens on 127.0.0.1 alone
        import ray
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 2, "num_gpus": 2, "include_dashboard": False, "object_store_memory": 80_000_000}
        made = Cluster(initialize_head=True, head_node_args=head)
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def clean(faults):
    for path in faults.iterdir():
        path.unlink()
    return faults


def ray_variables():
    """What another process needs to reach the cluster."""
    return {name: value for name, value in os.environ.items() if name.startswith("RAY_")}


def draft(engine, settings=SETTINGS, inputs=INPUTS):
    return Work(engine, inputs, settings, MemoryLedger(), judge)


@pytest.fixture(scope="module")
def whole(tiny):
    work = draft(tiny)
    run_steps(work)
    return work.ledger.every()


def given(faults):
    """What workers were given, in order: process, step and first prompt."""
    return [line.split() for line in (faults / "log").read_text().splitlines()]


class Appended(MemoryLedger):
    """Counts how often each row is written."""

    def append(self, rows):
        for row in rows:
            assert row.item not in self.read(row.stage), f"{row.stage} {row.item} was written twice"
        super().append(rows)


def test_a_worker_killed_and_one_out_of_memory_lose_nothing_and_double_nothing(cluster, clean, tiny, whole):
    """SIGKILL in the middle of a group of Stage 2, and Ray's error for a worker that its memory monitor ended."""
    (clean / "kill.pruning.1").touch()
    (clean / "memory.fixed.1").touch()
    work = draft(tiny)
    work.ledger = Appended()
    with ray_crew(work, LOCAL, TWO) as crew:
        crew.first()
        until(lambda: crew.pool.hear(0.1) == [] and len(crew.pool.ready()) == 2, 120)
        gpus = sorted(one.gpus for one in crew.pool.ready())
        assert gpus == [(0,), (1,)], "each has a GPU of its own"
        before = {one.pid for one in crew.pool.ready()}
        run_steps(work, crew=crew)
        until(lambda: crew.pool.hear(0.1) == [] and len(crew.pool.ready()) == 2, 120)
        assert len({one.pid for one in crew.pool.ready()} & before) == 1, "one was replaced"
    assert sorted(path.name for path in clean.glob("*.done")) == ["kill.pruning.done", "memory.fixed.done"]
    assert work.ledger.every() == whole
    handed = [tuple(rest) for _, *rest in given(clean)]
    assert len(handed) >= len(set(handed)) + 2, "both groups were given out again"
    assert len({pid for pid, *_ in given(clean)}) >= 2


def test_a_node_that_is_lost_takes_nothing_with_it(cluster, clean, tiny, whole):
    node = cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=80_000_000)
    (clean / "wait.screen.1").write_text(node.node_id)  # every worker is given a group of the first step
    work, gone = draft(tiny), threading.Event()
    work.ledger = Appended()

    def lose_it():
        until(lambda: (clean / "wait.screen.done").exists(), 240)
        cluster.remove_node(node, allow_graceful=False)
        gone.set()

    losing = threading.Thread(target=lose_it, daemon=True)
    with ray_crew(work, LOCAL, Size(3, 1)) as crew:
        until(lambda: crew.pool.hear(0.1) == [] and len(crew.pool.ready()) == 3, 240)
        losing.start()
        run_steps(work, crew=crew)
    losing.join(10)
    assert gone.is_set() and work.ledger.every() == whole


def test_a_driver_that_is_killed_is_resumed_on_the_cluster(cluster, clean, tiny, tiny_spec, whole, tmp_path):
    """kill -9 of `hydrascope discover --ray`, after some rows; then --resume, on the same cluster."""
    from core.edits.direction import save_direction

    save_direction(tiny.direction(), tmp_path / "directions" / "tiny.safetensors")
    store = Store(tmp_path / "hydrascope.duckdb")
    runs = Runs(store)
    with pytest.MonkeyPatch.context() as patch:
        use_small_judge(patch)
        identifier = runs.create(tiny, INPUTS, SETTINGS)
    store.close()
    command = ["discover", "--model", "tiny", "--resume", identifier, "--ray", cluster.address, "--threads", "1"]
    for kill in (True, False):
        with running_command(tiny_spec, command, tmp_path, ray_variables()) as running:
            told = []
            for line in running.stderr:
                told.append(line)
                if kill and "Stage 2: pruning: " in line:
                    running.process.kill()
                    break
            running.process.join(120)
            assert running.process.exitcode == (-9 if kill else 0), "".join(told)
    assert len(told) > 0 and not any("Screening prompts: 0" in line for line in told), (
        "what was there is not done again"
    )
    rows = Runs(Store(tmp_path / "hydrascope.duckdb")).ledger(identifier)
    assert [row for name in dict.fromkeys(row.stage for row in whole) for row in rows.read(name).values()] == whole


def test_as_a_job_it_is_stopped_and_resumed(cluster, clean, tiny, whole, tmp_path, monkeypatch):
    """What the Discover page does: Stop while workers work, then Resume in this process."""
    use_small_judge(monkeypatch)
    runs, queue = Runs(Store(tmp_path / "runs.duckdb")), Queue()
    identifier = runs.create(tiny, INPUTS, SETTINGS)
    ledger = runs.ledger(identifier)
    monkeypatch.setattr("cache.jobs.search.size_of", lambda workers: Size(workers, 1))
    search.start(queue, runs, identifier, tiny, workers=1)
    until(lambda: runs.ledger(identifier).read("screen"), 120)
    search.stop(queue, runs, identifier)
    until(lambda: search.job_of(queue, identifier) is None, 120)
    assert runs.get(identifier).state == "stopped"
    kept = len(runs.ledger(identifier).read("screen"))
    assert 0 < kept <= sum(row.stage == "screen" for row in whole)
    search.start(queue, runs, identifier, tiny)
    until(lambda: search.job_of(queue, identifier) is None, 120)
    assert [row for name in dict.fromkeys(row.stage for row in whole) for row in ledger.read(name).values()] == whole


def test_a_group_that_always_ends_its_worker_is_one_sentence(cluster, clean, tiny):
    for number in range(6):  # enough for the first group three times; the worker has another beside it
        (clean / f"memory.screen.{number}").touch()
    work = draft(tiny)
    says = r"Group 0 of “Screening prompts” ended its worker 3 times, the last on node .*low on memory"
    with pytest.raises(ClusterError, match=says), ray_crew(work, LOCAL, Size(1, 1)) as crew:
        run_steps(work, crew=crew)


def test_a_worker_of_another_version_is_named(cluster, clean, tiny, monkeypatch):
    from core.scale import search

    monkeypatch.setattr(search, "identity_of", lambda work: replace(identity_of(work), versions="hydrascope 9.9"))
    says = r"worker on node .+ has other versions \(hydrascope .*, here hydrascope 9\.9\)\. Install the same program"
    with pytest.raises(ClusterError, match=says), ray_crew(draft(tiny), LOCAL, Size(1, 1)) as made:
        made.first()


def test_a_cluster_without_the_models_files_is_named(cluster, clean, tiny, monkeypatch):
    from core.engine import Engine

    missing = replace(tiny.spec, name="elsewhere")
    monkeypatch.setattr(Engine, "spec", property(lambda self: missing))
    says = r"worker on node .+ cannot load “elsewhere”: .*elsewhere"
    with pytest.raises(ClusterError, match=says), ray_crew(draft(tiny), LOCAL, Size(1, 1)) as made:
        made.first()


def test_a_cluster_without_room_is_told(cluster, clean, tiny, monkeypatch):
    from core.scale import pool

    monkeypatch.setattr(pool, "PLACING", 1.0)
    says = r"no room for a worker. Each needs 64 CPU and 1 GPU on one node, and no node has more than 2 CPU"
    with pytest.raises(ClusterError, match=says), ray_crew(draft(tiny), LOCAL, Size(1, 64)) as made:
        made.first()


def judged(options, folder, patch):
    """`hydrascope judge` with a store of its own in `folder`: its rows but for the time, what it wrote and its code."""
    patch.setenv("HYDRASCOPE_CACHE", str(folder))
    out = folder / "out.jsonl"
    code = main(["judge", *options, "--keep-answers", "--out", str(out)])
    rows = shared_store().rows("select * exclude (made_at) from judgements order by rowid")
    stores.close_all()
    return rows, out.read_text() if out.exists() else "", code


def test_answers_are_judged_as_by_one_process_though_a_worker_is_killed(
    cluster, clean, tiny_spec, tmp_path, monkeypatch, capsys
):
    """Scores of the tiny model in groups of 8, one worker ended with SIGKILL in the middle of one."""
    registry.register(tiny_spec)
    monkeypatch.setattr("cache.store.judgements.CHUNK", 8)
    lines = [json.dumps({"prompt": text, "answer": f"Take {n} of it."}) for n, text in enumerate(TEXTS)]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines))
    asked = ["--judge", "first-token", "--model", "tiny", "--file", str(tmp_path / "answers.jsonl")]
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    expected = judged(asked, here, monkeypatch)
    told = capsys.readouterr()
    (clean / "kill.judge.1").touch()
    found = judged([*asked, "--ray", cluster.address, "--workers", "2", "--threads", "1"], there, monkeypatch)
    assert found == expected and expected[2] == 0 and len(expected[0]) == len(TEXTS)
    assert (clean / "kill.judge.done").exists() and len({pid for pid, *_ in given(clean)}) >= 2
    handed = [tuple(rest) for _, *rest in given(clean)]
    assert len(set(handed)) == 10 < len(handed), "every group, and that of the worker that was killed again"
    on_ray = capsys.readouterr()
    said = [line for line in on_ray.out.splitlines() if "(raylet)" not in line]  # Ray prints there that a worker ended
    assert said == told.out.splitlines()
    progress = [line for line in told.err.splitlines() if " judged" in line]
    assert [line for line in on_ray.err.splitlines() if " judged" in line] == progress and len(progress) == 11


def test_a_judge_that_workers_cannot_load_is_named_with_its_node(cluster, clean, tmp_path, monkeypatch, capsys):
    (tmp_path / "judge").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "judge" / name).write_text("{}")
    (tmp_path / "answers.jsonl").write_text(json.dumps({"prompt": "How?", "answer": "So."}))
    asked = ["--judge", "harmbench-mistral", "--folder", str(tmp_path / "judge")]
    asked += ["--file", str(tmp_path / "answers.jsonl"), "--ray", cluster.address, "--workers", "1", "--threads", "1"]
    assert judged(asked, tmp_path, monkeypatch) == ([], "", 2)
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"The worker on node .+ cannot load “harmbench-mistral”: The judge .+ cannot be loaded from", said)


def test_a_recording_is_that_of_one_process_though_it_was_stopped_and_a_worker_is_killed(
    cluster, clean, tiny, tiny_spec, tmp_path
):
    registry.register(tiny_spec)
    pairs = [(f"How do I bake bread number {n}?", f"Take {n} cups of flour and tell me a story.") for n in range(12)]
    chats = compose(tiny.tokenizer, pairs, 1500, longest=60, most_requests=2, seed=0)
    asked = {"layers": (1, 2), "weights": weights_used(tiny), "budget": 128}
    whole = record(tiny.model, chats, folder=tmp_path / "here", **asked)
    left = iter((False, False, True))
    with pytest.raises(Cancelled):
        record(tiny.model, chats, folder=tmp_path / "there", cancelled=lambda: next(left), **asked)
    (clean / "kill.record.1").touch()
    with closing(RayRecorders("tiny", tiny, LOCAL, TWO)) as recorders:
        found = record(tiny.model, chats, folder=tmp_path / "there", recorders=recorders, **asked)
    assert found.tokens == whole.tokens and (clean / "kill.record.done").exists()
    for name in ("layer_01.f16", "layer_02.f16", "done.json"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    of = json.loads((tmp_path / "here" / "done.json").read_text())["of"]
    assert len(given(clean)) == of - 2 + 1, "what was there is not done again, what was lost is"


def test_it_listens_on_this_machine_only(cluster):
    import psutil

    names = ("raylet", "gcs_server", "ray::")
    found = []
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended; a zombie is one of those
            if any(name in " ".join(process.cmdline()[:1]) + process.name() for name in names):
                listening = [one for one in process.net_connections("tcp") if one.status == "LISTEN"]
                found += [one.laddr.ip for one in listening]
    assert found and all(ip.endswith("127.0.0.1") for ip in found), found
