"""The files of joined phases: each in its place, whole, and computed from the rows of the phases before it."""

import shutil

import pytest

from core.errors import AssetError
from core.scale.files import ShardFolder, read_rows
from core.scale.merge import merge
from tests.small_shards import QUICK, run_shard


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """A folder with all three phases of a run in it, joined."""
    folder = tmp_path_factory.mktemp("finished")
    for _ in range(3):
        run_shard(tiny, folder, "1/1", QUICK)
        merge(ShardFolder(folder))
    return folder


@pytest.fixture
def files(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return ShardFolder(tmp_path / "run")


def written(files, phase, rows):
    """Write a joined phase again with other rows, as whole as the program writes it."""
    said = read_rows(files.joined_path(phase)).header
    files.write_joined(said.identity, phase, files.plan(phase), said.step, rows)


def refused(tiny, files, says):
    for ask in (lambda: merge(files), lambda: run_shard(tiny, files.folder, "1/2", QUICK)):
        with pytest.raises(AssetError, match=says):
            ask()


@pytest.mark.parametrize("plans", [True, False], ids=["with plans", "folders of groups deleted"])
def test_a_phase_copied_over_another_is_named(tiny, files, plans):
    if not plans:
        for number in (1, 2, 3):
            shutil.rmtree(files.phase_folder(number))
    assert merge(files).done == 3
    shutil.copy(files.joined_path(1), files.joined_path(2))
    refused(tiny, files, r"phase-2\.parquet holds phase 1 \(screen\), not phase 2 \(candidates, .*least_tokens\)")


def test_a_group_copied_over_a_joined_phase_is_named(tiny, files):
    shutil.copy(files.group_path(1, "screen", 0), files.joined_path(1))
    refused(tiny, files, r"phase-1\.parquet holds group 0 of phase 1 \(screen\), not phase 1 \(screen\)")


def test_rows_that_are_not_the_plan_s_are_named(tiny, files):
    """Fewer, in another order, or of a step of another phase; also where the file says that all is well."""
    rows = read_rows(files.joined_path(2)).rows
    for other in (rows[:-1], rows[1:], rows[::-1], [*rows, rows[0]._replace(stage="pruning")]):
        written(files, 2, other)
        refused(tiny, files, r"phase-2\.parquet does not hold the groups of its phase")
    written(files, 2, rows)
    assert merge(files).done == 3


def test_a_phase_that_was_computed_again_makes_those_after_it_stale(tiny, files):
    """Failed rows were computed again: what was computed from them must be too, and then all fits."""
    good = read_rows(files.joined_path(2)).rows
    failed = [row._replace(value={}, error="Out of memory") if row.stage == "candidates" else row for row in good]
    written(files, 2, failed)
    refused(tiny, files, r"Phase 3 in .* was computed from other rows.* Delete phase-3\.parquet and the folder phase-3")
    files.joined_path(3).unlink()
    with pytest.raises(AssetError, match=r"Phase 3 in .* was computed from other rows"):
        merge(files)  # its plan is still the old one
    with pytest.raises(AssetError, match=r"plan\.json has other groups than this shard finds"):
        run_shard(tiny, files.folder, "1/1", QUICK)
    files.plan_path(3).unlink()
    done = run_shard(tiny, files.folder, "1/1", QUICK)
    assert (done.phase, done.fresh) == (3, done.own)  # groups that were computed from other rows are computed again
    found = merge(files)
    assert found.done == 3 and all(row.error for row in found.rows.read("candidates").values())
