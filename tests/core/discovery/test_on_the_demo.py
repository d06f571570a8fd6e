"""A search on a model that refuses: it finds a small set of features without which the model does not refuse."""

import pytest

from cache.store.database import Store
from cache.store.runs import Runs
from core import Edits, load
from core.answers.rule_judges import substrings_judge_0_1
from core.discovery.context import Inputs
from core.discovery.runner import run_steps
from core.discovery.settings import Settings
from tests.browser.prompts import harmful

pytestmark = [pytest.mark.slow, pytest.mark.real_cache]
SETTINGS = Settings(
    stages=(1, 2),
    tokens=8,
    lengths=(4,),
    length_prompts=1,
    k_steps=(3, 10),
    k_beside=(),
    thresholds=(0.1, 0.5),
    seeds=(0,),
    control_draws=1,
    least_tokens=(12,),
    cost_sets=0,
)


def test_few_features_hold_a_refusal_up(tmp_path):
    engine, prompt = load("demo"), harmful()
    runs = Runs(Store(tmp_path / "runs.duckdb"))
    work = runs.work(runs.create(engine, Inputs((prompt,), ()), SETTINGS), engine)
    work.judge = substrings_judge_0_1()  # by the usual judge most of so small a model's flips are babble
    run_steps(work)
    (item,) = work.critical()
    found, pool = work.minimal(item), work.pool(int(work.ledger.read("candidates")[item].value["k"]))
    assert found and set(found) < set(pool)
    (verdict,) = {row.value["verdict"] for row in work.ledger.read("random").values()}
    assert verdict == "refused", "as many random features do not flip it"
    before, after, random = engine.measure(
        [prompt], [Edits(), Edits.ablate(found), Edits.ablate(pool[:1])]
    ).refusal_score[0]
    assert after < 0 < before and after < random
