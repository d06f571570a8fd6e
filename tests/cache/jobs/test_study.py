"""Making a study as a job: it is in the store when it ends, and nothing is where it was stopped or cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cache.jobs import study as making
from cache.jobs.queue import Queue
from cache.store.database import Store, shared_store
from cache.store.runs import Runs
from cache.store.studies import Studies
from core import Feature, InputError
from core.discovery.ledger import Row
from core.errors import Cancelled
from core.study.from_model import FeatureSource, FeatureStudy
from core.study.sizes import PoolSizes
from core.study.taxonomy import FIVE
from tests.conftest import PAGE_MODEL
from tests.replaced_files import with_other_sae
from tests.small_search import INPUTS, SETTINGS

FEW = PoolSizes(1, 2, 1, 1)


@pytest.fixture
def engine(on_page_model, page_spec):
    from cache.engines import get_engine

    return get_engine(PAGE_MODEL)


def test_a_study_is_in_the_store_when_its_job_ends(on_page_model):
    queue = Queue()
    job = making.start(queue, shared_store(), PAGE_MODEL, FeatureStudy("pilot", sizes=FEW))
    queue.wait(job.id, 120)
    ended = queue.job(job.id)
    assert ended.state == "finished", ended.error
    study = Studies(shared_store()).get(str(ended.result))
    assert (study.name, study.kind, study.labels, study.model) == ("pilot", "features", FIVE, PAGE_MODEL)
    assert study.items[0].part == "training" and {"pipeline", "random active"} <= {i.group for i in study.items}


def test_the_same_seed_gives_the_same_study(engine):
    store = shared_store()
    made = [making.create(engine, store, FeatureStudy(name, sizes=FEW, seed=3)) for name in ("one", "two")]
    first, second = map(Studies(store).get, made)
    assert first.items == second.items


def test_the_features_of_a_run(engine):
    runs = Runs(shared_store())
    run = runs.create(engine, INPUTS, SETTINGS, "small")
    with pytest.raises(InputError, match="no minimal sets yet"):
        making.source_of_run(runs, run, PAGE_MODEL)
    with pytest.raises(InputError, match="and not of “other”"):
        making.source_of_run(runs, run, "other")
    row = {"tau": "0.1", "minimal": {"0.1": ["2-5", "1-3"]}, "pool": 4}
    runs.ledger(run).append([Row("pruning", "harmful/0000", row), Row("pruning", "harmful/0001", row)])
    source = making.source_of_run(runs, run, PAGE_MODEL)
    about, saes = f"the minimal sets of run {run}, “small”", engine.runtime.digests.sae_text
    assert source == FeatureSource((Feature(1, 3), Feature(2, 5)), about, saes=saes)
    with pytest.raises(InputError, match=r"had other SAEs than .* has now: the files were replaced"):
        making.create(with_other_sae(engine, 2), shared_store(), FeatureStudy("pilot", source, FEW))


def test_a_stopped_one_leaves_nothing(engine):
    with pytest.raises(Cancelled, match="Nothing was kept"):
        making.create(engine, shared_store(), FeatureStudy("pilot"), cancelled=lambda: True)
    assert not Studies(shared_store()).all()


def test_a_model_without_labels_is_a_sentence(tiny, tmp_path):
    with pytest.raises(InputError, match="no feature labels"):
        making.create(tiny, Store(tmp_path / "s.duckdb"), FeatureStudy("pilot"))


def test_a_name_that_is_taken_is_told_before_anything_is_measured(engine):
    making.create(engine, shared_store(), FeatureStudy("pilot", sizes=FEW))
    broken = replace(FeatureStudy("pilot"), source=FeatureSource((Feature(99, 1),)))
    with pytest.raises(InputError, match="already a study"):
        making.create(engine, shared_store(), broken)


@pytest.mark.parametrize(
    ("feature", "said"), [(Feature(99, 1), "Layer 99 has no SAE"), (Feature(1, 10**6), "1-1000000")]
)
def test_features_that_do_not_exist_are_refused(engine, feature, said):
    asked = replace(FeatureStudy("pilot"), source=FeatureSource((Feature(1, 3), feature)))
    with pytest.raises(InputError, match=said):
        making.create(engine, shared_store(), asked)
    assert not Studies(shared_store()).all()
