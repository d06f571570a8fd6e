"""A run in shards: bit for bit the unsharded run, whatever their number; and every fault is one sentence."""

import json
import shutil
from pathlib import Path

import pytest

from core.discovery.context import Work
from core.discovery.groups import MEMORY
from core.discovery.ledger import MemoryLedger
from core.discovery.runner import STEPS, phases_of, run_steps
from core.discovery.settings import Settings
from core.discovery.tables.export import as_json
from core.discovery.tables.report import tables
from core.errors import AssetError, InputError
from core.scale.files import ShardFolder, read_rows
from core.scale.merge import merge
from core.scale.shard import parse_shard
from tests.small_search import INPUTS, SETTINGS, judge
from tests.small_shards import QUICK, fresh_work, run_shard


class Strict(MemoryLedger):
    """Lets a step read the rows it says it needs, and no others."""

    allowed = ()

    def read(self, stage):
        assert stage in self.allowed, f"reads {stage} without saying so"
        return super().read(stage)


@pytest.fixture(scope="module")
def whole(tiny):
    work = fresh_work(tiny)
    run_steps(work)
    return work.ledger


def test_a_step_reads_what_it_says_it_needs_and_nothing_else(tiny, whole):
    for step in STEPS:
        ledger = Strict(whole.every())
        ledger.allowed = step.needs
        work = Work(tiny, INPUTS, SETTINGS, ledger, judge)
        for items in step.groups(work)[-1:]:
            step.do(work, items)


def test_phases_are_in_the_order_of_a_run_and_need_only_earlier_ones():
    phases = phases_of(Settings())
    assert [step.name for phase in phases for step in phase] == [step.name for step in STEPS]
    assert [phase[0].name for phase in phases] == ["screen", "candidates", "pruning", "inert", "controls", "recovery"]
    before = set()
    for phase in phases:
        assert all(set(step.needs) <= before for step in phase)
        before |= {step.name for step in phase}


def test_shards_give_the_rows_and_tables_of_the_unsharded_run(tiny, whole, tmp_path):
    """Two shards, then three, then one: their number may change between phases, and nothing else does."""
    counts, folder = [2, 3, 1, 2, 1, 3], ShardFolder(tmp_path)
    for number, of in enumerate(counts, 1):
        for shard in range(of, 0, -1):
            done = run_shard(tiny, tmp_path, f"{shard}/{of}")
            assert (done.phase, done.phases) == (number, 6)
        found = merge(folder)
        assert found.done == number and bool(found.next) == (number < 6)
    assert found.rows.every() == whole.every()
    assert as_json(tables(found.rows, SETTINGS), {}) == as_json(tables(whole, SETTINGS), {})
    assert run_shard(tiny, tmp_path, "1/2").phase == 0 and merge(folder).done == 6


def test_a_shard_does_what_is_left_and_waits_at_the_boundary(tiny, tmp_path):
    first = run_shard(tiny, tmp_path, "1/2", QUICK)
    assert first.fresh == first.own > 1
    gone = sorted((tmp_path / "phase-1").glob("*.parquet"))[0]
    before = gone.read_bytes()
    gone.unlink()
    again = run_shard(tiny, tmp_path, "1/2", QUICK)
    assert (again.phase, again.fresh, again.own) == (1, 1, first.own)
    assert read_rows(gone).rows and len(before) == gone.stat().st_size
    with pytest.raises(AssetError, match=r"groups are missing.*screen-00001.*Run again: shard 2/2\."):
        merge(ShardFolder(tmp_path))
    run_shard(tiny, tmp_path, "2/2", QUICK)
    assert "Run all shards" not in merge(ShardFolder(tmp_path)).next


@pytest.fixture(scope="module")
def two_shards(tiny, tmp_path_factory):
    """A folder with a whole first phase in it, not merged."""
    folder = tmp_path_factory.mktemp("shards")
    for shard in ("1/2", "2/2"):
        run_shard(tiny, folder, shard, QUICK)
    return folder


@pytest.fixture
def folder(two_shards, tmp_path):
    shutil.copytree(two_shards, tmp_path / "run")
    return tmp_path / "run"


def damaged(folder: Path, how) -> Path:
    path = folder / "phase-1" / "screen-00002.parquet"
    how(path)
    return path


@pytest.mark.parametrize(
    "how",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:60].ljust(path.stat().st_size, b"\0")),
        lambda path: path.write_text("no table"),
    ],
    ids=["half-written", "empty", "zeros", "text"],
)
def test_a_file_that_was_cut_off_is_named(folder, how):
    path = damaged(folder, how)
    with pytest.raises(AssetError) as told:
        merge(ShardFolder(folder))
    assert str(path) in str(told.value) and "run its shard again" in str(told.value)


def test_a_flipped_bit_is_noticed_or_changes_nothing(folder):
    path = folder / "phase-1" / "screen-00001.parquet"
    whole, right, noticed = path.read_bytes(), read_rows(path).rows, 0
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert read_rows(path).rows == right
        except AssetError:
            noticed += 1
    assert noticed > len(whole) / 7 / 4


def test_a_doubled_shard_is_named(folder):
    path = folder / "phase-1" / "screen-00001.parquet"
    shutil.copy(path, path.with_name("screen-00001 (copy).parquet"))
    with pytest.raises(AssetError, match=r"screen-00001 \(copy\)\.parquet and .* hold the same group"):
        merge(ShardFolder(folder))


def test_missing_shards_are_named(folder):
    (folder / "phase-1" / "screen-00001.parquet").unlink()
    with pytest.raises(AssetError, match=r"1 of \d groups are missing \(screen-00001.*Run again: shard 2/2\."):
        merge(ShardFolder(folder))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"settings": Settings().to_json()}, "other settings"),
        ({"versions": "hydrascope 0.0, torch 1.0"}, r"other versions \(hydrascope 0.0, torch 1.0, here hydrascope"),
        ({"weights": "0" * 16}, "other model files"),
        ({"saes": "0" * 16}, "other SAEs"),
        ({"number_format": "bfloat16"}, r"another number format \(bfloat16, here float32\)"),
    ],
)
def test_shards_of_another_run_or_version_are_named(tiny, folder, tmp_path, changes, says):
    other = tmp_path / "other"
    run_shard(tiny, other, "1/2", QUICK, changes)
    shutil.copy(other / "phase-1" / "screen-00000.parquet", folder / "phase-1" / "screen-00000.parquet")
    with pytest.raises(AssetError, match=says) as told:
        merge(ShardFolder(folder))
    assert "screen-00000.parquet is of another run" in str(told.value)
    with pytest.raises(AssetError, match=r"run\.json is of another run"):
        run_shard(tiny, folder, "2/2", QUICK, changes)


def planned(folder: Path, change) -> None:
    """Change the first phase's plan as if it had been written so, and in its groups' headers too."""
    files = ShardFolder(folder)
    plan = files.plan(1)
    other = plan._replace(groups=change(plan.groups))
    files.plan_path(1).unlink()
    files.keep_plan(1, other)
    for path in files.group_paths(1):
        one = read_rows(path)
        files.write_group(one.header._replace(plan=other.digest), one.rows)


def test_a_group_with_other_prompts_and_one_that_the_phase_lacks_are_named(folder):
    planned(folder, lambda groups: [("screen", ["harmful/0999"]), *groups[1:]])
    with pytest.raises(AssetError, match=r"screen-00000\.parquet does not hold the prompts"):
        merge(ShardFolder(folder))
    planned(folder, lambda groups: [])
    with pytest.raises(AssetError, match=r"holds a group that this phase does not have"):
        merge(ShardFolder(folder))


def test_shards_that_began_with_other_rows_are_told(tiny, folder):
    planned(folder, lambda groups: [("screen", ["harmful/0999"]), *groups[1:]])
    with pytest.raises(AssetError, match=r"plan\.json has other groups"):
        run_shard(tiny, folder, "1/2", QUICK)


def test_a_plan_that_was_shortened_is_noticed_and_written_anew(tiny, folder):
    """By its own digest; and where that was made to fit, by what the groups say of their plan."""
    files = ShardFolder(folder)
    path, whole = files.plan_path(1), files.plan(1)
    content = json.loads(path.read_text())
    content["groups"].pop()
    path.write_text(json.dumps(content))
    files.group_path(1, "screen", len(content["groups"])).unlink()
    for ask in (lambda: merge(files), lambda: run_shard(tiny, folder, "1/2", QUICK)):
        with pytest.raises(AssetError, match=r"plan\.json cannot be read \(its groups are not what was written\)"):
            ask()
    path.unlink()
    files.keep_plan(1, whole._replace(groups=whole.groups[:-1]))
    with pytest.raises(AssetError, match=r"was written for other groups than .*plan\.json names\. Delete plan\.json"):
        merge(files)
    path.unlink()
    assert sum(run_shard(tiny, folder, shard, QUICK).fresh for shard in ("1/2", "2/2")) == 1
    assert files.plan(1) == whole and merge(files).done == 1


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "-1/4", "1/0"])
def test_what_is_no_shard(text):
    with pytest.raises(InputError, match="such as 3/16"):
        parse_shard(text)


def test_a_folder_without_shards_is_told(tmp_path):
    with pytest.raises(InputError, match="holds no shards of a run"):
        merge(ShardFolder(tmp_path))
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(AssetError, match=r"run\.json cannot be read"):
        merge(ShardFolder(tmp_path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda found: found | {"inputs": found["inputs"].replace("story", "tale")}, "it was changed after"),
        (lambda found: found | {"record": {"run": "other"}}, "it was changed after"),
        (lambda found: found | {"format": 1}, "its format is 1"),
    ],
    ids=["prompts", "name", "format"],
)
def test_a_run_file_that_was_changed_is_told(tiny, folder, change, says):
    path = folder / "run.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    for ask in (lambda: merge(ShardFolder(folder)), lambda: run_shard(tiny, folder, "1/2", QUICK)):
        with pytest.raises(AssetError, match=rf"run\.json cannot be read \({says}"):
            ask()


def test_a_run_file_of_other_prompts_is_told(folder):
    files = ShardFolder(folder)
    run = files.run()
    (folder / "run.json").unlink()
    files.begin(run._replace(inputs=run.inputs.replace("story", "tale")))
    assert "tale" in (folder / "run.json").read_text()
    with pytest.raises(AssetError, match="its prompts are not those of its run"):
        merge(files)


def test_memory_that_ran_out_is_in_the_file(tiny, tmp_path, monkeypatch):
    from core.discovery import runner
    from core.forward.token_budget import tokens_per_forward

    original = STEPS[0].do

    def greedy(work, items):
        if tokens_per_forward() > 600:
            raise MemoryError
        return original(work, items)

    monkeypatch.setattr(runner, "STEPS", (STEPS[0]._replace(do=greedy), *STEPS[1:]))
    run_shard(tiny, tmp_path, "1/1", QUICK)
    found = merge(ShardFolder(tmp_path)).rows
    assert {row.value["tokens_per_forward"] for row in found.read(MEMORY).values()} == {512}
