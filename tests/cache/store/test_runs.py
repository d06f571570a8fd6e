"""Runs in the store: written down, found again, never mixed up, and not begun with a model that is not theirs."""

from dataclasses import replace

import pytest

import cache.store.provenance as provenance_module
from cache.jobs.run_card import card_of_run
from cache.store.database import Store
from cache.store.new_run import NewRun, new_run
from cache.store.provenance import other_versions, unchecked
from cache.store.runs import VERSIONS, Runs
from core import Engine, InputError
from core.answers.rule_judges import before_digests
from core.discovery.context import Inputs
from core.discovery.ledger import Row
from core.discovery.runner import run_steps
from core.discovery.settings import Settings
from core.versions import versions
from tests.replaced_files import with_other_sae, with_other_weights

INPUTS = Inputs(("one", "two"), ("three",))
QUICK = Settings(stages=(1,), tokens=3, k_steps=(2,))


@pytest.fixture
def runs(tmp_path):
    return Runs(Store(tmp_path / "runs.duckdb"))


def test_a_run_is_found_again_with_all_that_was_asked(runs, tiny):
    settings = Settings(stages=(1,), tokens=5)
    identifier = runs.create(tiny, INPUTS, settings, "  mine ")
    runs.store.close()
    again = Runs(Store(runs.store.path))
    found = again.get(identifier)
    assert (found.name, found.settings, found.state) == ("mine", settings, "stopped")
    assert again.inputs(identifier) == INPUTS and found.prompts == INPUTS.digest
    assert found.saes == "1:layer_1,2:layer_2,3:layer_3" and found.direction == tiny.direction().key
    facts = again.facts(identifier)
    assert (
        facts["reading of Algorithm 1"] == "shrinking" and facts["judge"].startswith("rules (") and facts["seed"] == "0"
    )


def test_the_newest_run_is_first_and_its_last_word_holds(runs, tiny):
    first, second = (runs.create(tiny, INPUTS, Settings()) for _ in range(2))
    runs.set_state(first, "running")
    runs.set_state(first, "finished", "done")
    assert [r.run for r in runs.all()] == [second, first]
    assert (runs.get(first).state, runs.get(first).note) == ("finished", "done")


def test_rows_of_two_runs_are_kept_apart(runs, tiny):
    first, second = (runs.work(runs.create(tiny, INPUTS, Settings()), tiny).ledger for _ in range(2))
    first.append([Row("screen", "harmful/0000", {"kept": True})])
    assert second.read("screen") == {} and list(first.read("screen")) == ["harmful/0000"]


def test_a_group_is_written_whole_or_not_at_all(runs, tiny):
    ledger = runs.work(runs.create(tiny, INPUTS, Settings()), tiny).ledger
    with pytest.raises(TypeError):
        ledger.append([Row("screen", "a", {}), Row("screen", "b", {"bad": object()})])
    with pytest.raises(Exception, match=r"(?i)null"):
        ledger.append([Row("screen", "a", {}), Row("screen", None, {})])
    assert ledger.read("screen") == {}


def test_an_unknown_run_is_one_sentence(runs):
    for ask in (runs.get, runs.inputs, runs.facts):
        with pytest.raises(InputError, match="no run “nowhere”"):
            ask("nowhere")


def test_a_run_goes_on_with_its_own_model_only(runs, tiny):
    identifier = runs.create(tiny, INPUTS, Settings())
    other = Engine(replace(tiny.runtime, spec=replace(tiny.spec, name="other")), "for a test")
    other.use_direction(tiny.direction())
    with pytest.raises(InputError, match="another model"):
        runs.work(identifier, other)
    fewer = {n: path for n, path in tiny.spec.saes.items() if n != 2}
    other = Engine(replace(tiny.runtime, spec=replace(tiny.spec, saes=fewer)), "for a test")
    other.use_direction(tiny.direction())
    with pytest.raises(InputError, match="another set of SAEs"):
        runs.work(identifier, other)


def test_what_was_kept_in_memory_moves_to_the_file(tmp_path, tiny, monkeypatch):
    from cache.store import database as stores

    path = tmp_path / "runs.duckdb"
    path.mkdir()  # cannot be opened: the store keeps everything in memory meanwhile
    store = Store(path)
    runs = Runs(store)
    identifier = runs.create(tiny, INPUTS, Settings())
    runs.work(identifier, tiny).ledger.append([Row("screen", "harmful/0000", {"kept": True})])
    assert store.trouble
    path.rmdir()
    monkeypatch.setattr(stores, "RETRY_AFTER", 0.0)
    assert runs.get(identifier).run == identifier and store.trouble is None
    store.close()
    again = Runs(Store(path))
    assert list(again.work(identifier, tiny).ledger.read("screen")) == ["harmful/0000"]


def test_a_run_goes_on_with_its_own_files_only(runs, tiny):
    """The names stay the same when weights or SAEs are replaced; going on and the run's card go by the digests."""
    identifier = runs.create(tiny, INPUTS, Settings())
    runs.set_state(identifier, "finished")
    assert runs.get(identifier).weights == tiny.runtime.digests.weights != ""
    again = "the files were replaced. Put the earlier files back, or start a new one"
    for other, what in (
        (with_other_weights(tiny), "other model files than “tiny” has now"),
        (with_other_sae(tiny, 2), r"other SAEs \(layer 2\) than “tiny” has now"),
        (
            with_other_sae(with_other_sae(with_other_weights(tiny), 3), 1),
            r"other model files and other SAEs \(layers 1, 3",
        ),
    ):
        with pytest.raises(InputError, match=f"was begun with {what}.*{again}" if "layers" not in what else what):
            runs.work(identifier, other)
        with pytest.raises(InputError, match=what):
            card_of_run(runs, identifier, other)
        assert runs.of(other) == []
    assert [run.run for run in runs.of(tiny)] == [identifier]
    facts = runs.facts(identifier)
    assert facts["digest of the model"] == tiny.runtime.digests.weights
    assert facts["digests of the SAEs"] == tiny.runtime.digests.sae_text


def test_a_direction_that_went_with_the_old_weights_is_not_what_is_told(runs, tiny):
    identifier = runs.create(tiny, INPUTS, Settings())
    other = with_other_weights(tiny)
    other.use_direction(replace(tiny.direction(), position=-2))
    with pytest.raises(InputError, match="other model files"):
        runs.work(identifier, other)


@pytest.mark.parametrize("place", [("bfloat16", "cpu"), ("float32", "cuda")], ids=" on ".join)
def test_a_run_goes_on_in_its_own_number_format_and_on_its_kind_of_device(runs, tiny, place):
    """Of workers as of this process; a run with nothing left to compute is not held up."""
    identifier = runs.create(tiny, INPUTS, QUICK)
    here, there = (" on ".join(one) for one in (place, ("float32", "cpu")))
    says = f"was computed in {there}, and here it would go on in {here}, .*HYDRASCOPE_DTYPE=float32 and .*DEVICE=cpu"
    with pytest.raises(InputError, match=says):
        runs.work(identifier, tiny, place)
    by_workers = runs.create(tiny, INPUTS, QUICK, computed_on=place)
    assert runs.work(by_workers, tiny, runs.get(by_workers).computed_on).settings == QUICK
    with pytest.raises(InputError, match=f"was computed in {here}, and here it would go on in {there}"):
        runs.work(by_workers, tiny)
    run_steps(runs.work(identifier, tiny))
    assert runs.work(identifier, tiny, place).settings == QUICK


def test_rows_of_other_versions_are_told_in_the_facts(runs, tiny, monkeypatch):
    """Nobody loses a run to an update; but only what added rows is named, and once."""
    identifier = runs.create(tiny, INPUTS, QUICK)
    first = runs.get(identifier).versions
    assert other_versions("Run x", runs.get(identifier)) == ""
    work, row = runs.work(identifier, tiny), Row("screen", "harmful/0000", {"kept": False})
    work.ledger.append([row])
    assert runs.facts(identifier)["versions"] == first and work.ledger.read(VERSIONS) == {}
    monkeypatch.setattr(provenance_module, "versions", lambda: versions() | {"torch": "9.9"})
    assert f"Run x was begun with torch {versions()['torch']}; here it is torch 9.9." in other_versions(
        "Run x", runs.get(identifier)
    )
    later = runs.work(identifier, tiny).ledger
    assert runs.facts(identifier)["versions"] == first, "nothing was added yet"
    later.append([])
    for number in (1, 2):
        later.append([row._replace(item=f"harmful/000{number}")])
    runs.work(identifier, tiny).ledger.append([row._replace(item="benign/0000")])
    second = first.replace(versions()["torch"], "9.9")
    assert runs.facts(identifier)["versions"] == f"{first}; resumed with {second}"
    assert len(runs.store.rows("select 1 from run_rows where stage = ?", [VERSIONS])) == 1


def test_rows_are_replaced_stage_by_stage_and_nothing_is_deleted(runs, tiny):
    ledger = runs.ledger(runs.create(tiny, INPUTS, QUICK))
    memory = Row("memory", "a/b/512", {"tokens_per_forward": 512})
    old = [Row("screen", "b", {"x": 1.5}), Row("pruning", "b", {}, "Out of memory"), Row("pruning", "c", {}), memory]
    new = [old[0], Row("pruning", "a", {"y": 0.1}), Row("pruning", "b", {})]
    ledger.renew(old)
    assert [row for stage in ("screen", "pruning", "memory") for row in ledger.read(stage).values()] == old
    written = len(runs.store.rows("select * from run_rows"))
    ledger.renew(old)
    assert len(runs.store.rows("select * from run_rows")) == written
    ledger.renew(new)
    for seen in (ledger, runs.ledger(ledger.run)):
        assert [row for stage in ("screen", "pruning") for row in seen.read(stage).values()] == new
        assert seen.read("memory") == {}
    assert len(runs.store.rows("select * from run_rows where stage = 'screen'")) == 1
    assert len(runs.store.rows("select * from run_rows where stage = 'pruning'")) == 2 + 1 + 2


def test_a_run_from_before_digests_goes_on_and_says_so(runs, tiny):
    identifier = runs.create(tiny, INPUTS, Settings())
    known = runs.get(identifier)
    assert unchecked("Run x", known) == ""
    old = before_digests(known.judge.revision)
    assert old != known.judge.revision and tiny.runtime.digests.weights not in old
    runs.store.rows("update runs set weights = '', sae_digests = '', judge_revision = ?", [old])
    found = runs.get(identifier)
    assert runs.work(identifier, with_other_sae(tiny, 2)).judge.name == "rules"
    assert "Run x is from a version that kept no digests" in unchecked("Run x", found)
    assert runs.facts(identifier)["digest of the model"] == "not kept"
    runs.store.rows("update runs set judge_revision = ?", [known.judge.revision])
    runs.store.rows("update runs set judge_revision = replace(judge_revision, 'fit ', 'fit 0')")
    with pytest.raises(InputError, match="was judged by “rules” in revision"):
        runs.work(identifier, tiny)


def test_a_run_that_shards_carry_out_takes_its_digests_along(runs, tiny):
    made = new_run(tiny, INPUTS, tiny.judge)
    values = made.to_values()
    assert NewRun.from_values(values) == made and made.source.weights == tiny.runtime.digests.weights
    for name in ("weights", "sae_digests"):  # as an earlier version wrote it
        del values["source"][name]
    assert NewRun.from_values(values).source.weights == ""
