"""A database that version 0.1 left on somebody's disk: it opens, every row is there, and its work goes on."""

from pathlib import Path

import duckdb
import pytest

from cache.store.audit_table import gap_of
from cache.store.audits import Audits
from cache.store.database import Store
from cache.store.defences import Defences
from cache.store.judgements import Judgements
from cache.store.labels import NeuronpediaLabels
from cache.store.migrations import MIGRATIONS, TABLES
from cache.store.pairs import Pair
from cache.store.provenance import provenance
from cache.store.runs import Runs
from core import Feature, InputError
from core.discovery.context import Inputs
from core.discovery.readings import readings
from core.discovery.runner import run_steps
from core.discovery.settings import Settings
from core.discovery.tables.report import tables
from core.models.registry import find_spec
from core.models.trained import sae_names

OLD = Path(__file__).with_name("database_of_0_1.sql").read_text()
RUN, DEFENCE = "20261010-120000-abcd", "20261010-120000-dcba"


@pytest.fixture
def old(tmp_path, tiny) -> Path:
    """The file as it was left, by a model whose direction is the tiny one's."""
    path = tmp_path / "hydrascope.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(OLD)
        for table in ("runs", "defences"):
            connection.execute(f"update {table} set direction = ?", [tiny.direction().key])
    return path


def test_every_row_of_an_old_database_is_read_back(old):
    store = Store(old)
    assert store.trouble is None and store.notice is None
    assert store.rows("select max(number) from migrations") == [(len(MIGRATIONS),)]
    (audit,) = Audits(store).recent("tiny")
    assert (audit.prompt, audit.edits, audit.score_after) == ("How do I pick a lock?", "12-40", -2.0)
    assert (audit.kl, audit.kl_low, audit.kl_high, gap_of(audit), audit.reference_by) == (0.02, None, None, None, "")
    assert (audit.asked, audit.thinking, audit.system) == (audit.prompt, None, None), "a single prompt, as it was shown"
    assert Audits(store).all("tiny") == [audit]
    (saved,) = Audits(store).saved_sets("tiny")
    assert (saved.name, saved.edits) == ("mine", "12-40,14-7=6@bos")
    assert (saved.weights, saved.sae_digests, audit.weights, audit.sae_digests) == ("", "", "", "")
    found = Runs(store).get(RUN)
    assert (found.name, found.state, found.versions, found.settings.k_steps) == ("before", "running", "", (2,))
    assert Runs(store).facts(RUN)["versions"] == "not kept"
    assert found.judge.name == "substrings-0.1" and found.judge.kappa is not None and found.judge.kappa_n == 214
    assert Runs(store).facts(RUN)["agreement with people"] == found.judge.agreement
    assert Runs(store).inputs(RUN).benign == ("How do I bake bread?",)
    assert Runs(store).ledger(RUN).read("screen")["harmful/0000"].value["answer"] == "I cannot."
    (defence,) = Defences(store).all("tiny")
    assert defence.judge.name == "substrings-0.1"
    assert defence.asked.features == (Feature(2, 5), Feature(3, 7)) and defence.device == "cpu"
    assert Defences(store).found(DEFENCE) == {(0, "attacked"): ("refused",)}
    (stored,) = Judgements(store).stored([Pair("How?", "I cannot.")])
    assert stored.judge == "substrings" and stored.known[0].verdict == "refused"
    labels = NeuronpediaLabels(lambda: store, {1: "tiny/1-res"})
    assert [labels.label(Feature(1, i)) for i in (1, 2, 7)] == ["one", "two", "words of regret"]


def test_the_old_database_has_a_row_in_every_table_it_had(old):
    had = {name for (name,) in duckdb.connect(str(old)).execute("select table_name from duckdb_tables()").fetchall()}
    store = Store(old)
    assert not [table for table in TABLES if table in had and not store.rows(f"select * from {table}")]


def test_a_run_and_an_evaluation_of_an_old_database_go_on(old, tiny):
    store = Store(old)
    work = Runs(store).work(RUN, tiny)
    run_steps(work)
    assert list(work.ledger.read("screen")) == ["harmful/0000", "harmful/0001", "benign/0000"]
    list(Defences(store).carry_out(tiny, DEFENCE))
    assert set(Defences(store).found(DEFENCE)) == set(Defences(store).get(DEFENCE).asked.places)


def test_an_old_run_has_the_readings_that_it_had(old, tiny):
    """There was no choice then: today's defaults would tell of another run. What it kept itself holds."""
    runs = Runs(Store(old))
    settings = runs.get(RUN).settings
    assert (settings.k_steps, settings.k_beside, settings.control_draws, settings.machine_seeds) == ((2,), (), 0, 1)
    assert (settings.step_two, settings.scaling, settings.patience) == ("left out", "all", 0)
    shown = {reading.about: reading.chosen for reading in readings(settings)}
    assert "test rows too" in shown["scale of Stage 3's columns"] and shown["ranking of Stage 3"] == "one seed"
    assert "chosen afterwards" in shown["τ"] and "beside it" not in shown["K of Stage 1"]
    work = runs.work(RUN, tiny)
    run_steps(work)
    assert work.ledger.read("fixed") == {} == work.ledger.read("controls")
    assert tables(work.ledger, work.settings)[-1].name == "readings"


def test_a_new_run_keeps_the_readings_it_was_asked_for(tmp_path, tiny):
    runs = Runs(Store(tmp_path / "new.duckdb"))
    asked = Settings(scaling="none", layers_counted_from=0, k_beside=(), step_two="left out")
    assert runs.get(runs.create(tiny, Inputs(("one",), ()), asked)).settings == asked


def test_an_old_run_goes_on_with_the_rule_it_began_with(old, tiny):
    judge = Runs(Store(old)).work(RUN, tiny).judge
    (looping,) = judge.judge(["How?"], ["I cannot help. " * 9])
    assert judge.name == "substrings-0.1" and looping.verdict == "degenerate"


def test_a_new_run_goes_on_with_its_judge_and_no_other(tmp_path, tiny):
    runs = Runs(Store(tmp_path / "new.duckdb"))
    asked = Inputs(("one",), ()), Settings(stages=(1,), tokens=3, k_steps=(2,))
    usual, wordings = runs.create(tiny, *asked), runs.create(tiny, *asked, judge="wordings")
    assert runs.work(usual, tiny).judge.name == "rules" and runs.work(wordings, tiny).judge.name == "wordings"
    stored = runs.get(usual).judge
    assert stored.revision == tiny.judge.revision and stored.kappa >= 0.75 and stored.kappa_n == 214
    runs.store.rows("update runs set judge_revision = 'rules 0' where run = ?", [usual])
    with pytest.raises(InputError, match=r"judged by “rules” in revision rules 0"):
        runs.work(usual, tiny)
    with pytest.raises(InputError, match="There is no judge “gpt”"):
        runs.create(tiny, *asked, judge="gpt")


def test_an_old_run_of_published_saes_named_them_by_their_last_part(old, tiny, monkeypatch):
    from cache.store import provenance as module

    published = "12:gemma-scope-2b-pt-res-canonical/layer_12/width_65k/canonical"
    store = Store(old)
    store.rows("update runs set saes = '12:canonical'")
    with pytest.raises(InputError, match="another set of SAEs"):
        Runs(store).work(RUN, tiny)
    monkeypatch.setattr(module, "sae_names", lambda spec: published)
    assert Runs(store).work(RUN, tiny).settings.tokens == 3
    store.rows("update runs set versions = 'python 3.11'")  # a newer row has to name them in full
    with pytest.raises(InputError, match="another set of SAEs"):
        Runs(store).work(RUN, tiny)


def test_a_new_run_keeps_which_saes_and_versions_it_was_computed_with(tmp_path, tiny):
    runs = Runs(Store(tmp_path / "new.duckdb"))
    found = runs.get(runs.create(tiny, Inputs(("one",), ()), Settings(stages=(1,), tokens=3, k_steps=(2,))))
    assert found.versions == provenance(tiny).versions and "torch" in runs.facts(found.run)["versions"]
    spec = find_spec("gemma-2-2b-it")
    layer = spec.layers[0]
    assert sae_names(spec).startswith(f"{layer}:{spec.saes[layer]}")


def test_released_steps_are_never_changed():
    """The old file holds their text: the steps of today make the same tables."""
    ours, theirs = duckdb.connect(":memory:"), duckdb.connect(":memory:")
    theirs.execute(OLD)
    released = theirs.execute("select max(number) from migrations").fetchone()[0]
    for step in MIGRATIONS[:released]:
        ours.execute(step)
    query = """
        select table_name, column_name, data_type, is_nullable from information_schema.columns
        where table_name <> 'migrations' order by table_name, ordinal_position
    """
    assert ours.execute(query).fetchall() == theirs.execute(query).fetchall()
