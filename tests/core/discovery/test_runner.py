"""A whole run on the tiny model: every stage, then the same run interrupted everywhere, failing, short of memory.

A random model refuses nothing, so the judge here goes by the answer's letters: what matters is that it is a function.
"""

import numpy as np
import pytest
import torch

from cache.store.database import Store
from cache.store.runs import Runs
from core import Edits, Feature, InputError
from core.discovery import control_steps, runner, steps
from core.discovery.context import Inputs
from core.discovery.groups import out_of_memory
from core.discovery.ledger import Row, features
from core.discovery.runner import STEPS, run_steps
from core.discovery.settings import Settings
from core.errors import Cancelled
from tests.oracles import PROMPTS
from tests.small_search import INPUTS, SETTINGS, TEXTS, judge


def begun(engine, path, settings=SETTINGS, inputs=INPUTS):
    runs = Runs(Store(path))
    work = runs.work(runs.create(engine, inputs, settings), engine)
    work.judge = judge
    return work


def everything(work):
    """Every row there is, as it is on disk."""
    query = "select stage, item, value, error from run_rows order by rowid"
    return work.ledger.store.rows(query)


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    work = begun(tiny, tmp_path_factory.mktemp("whole") / "runs.duckdb")
    run_steps(work)
    return work


def test_every_stage_has_found_something(whole):
    for stage in STEPS:
        rows = whole.ledger.read(stage.name)
        assert [item for group in stage.groups(whole) for item in group] == list(rows), stage.name
        assert len(rows) > 1, stage.name
        assert not [row.error for row in rows.values() if row.error], stage.name


def test_the_prompts_that_cannot_be_used_are_rows_with_a_reason(whole):
    rows = whole.ledger.read("screen")
    assert rows["harmful/0030"].value == {"kept": False, "reason": "repeated"}
    assert "empty" in rows["harmful/0031"].value["reason"]
    assert {row.value["reason"] for row in rows.values()} >= {"refused", "complied", "degenerate"}


def test_stage_two_is_what_one_prompt_alone_gives(tiny, whole):
    from core.discovery.stage2_pruning import prune

    for item, row in list(whole.ledger.read("pruning").items())[:6]:
        text, pool = whole.text(item), whole.pool(whole.ledger.read("candidates")[item].value["k"])

        def probability(sets, text=text):
            return np.array([tiny.measure([text], [Edits.ablate(s)]).p_refusal[0, 0] for s in sets])

        alone = prune(pool, probability, SETTINGS.thresholds, SETTINGS.seeds, SETTINGS.block_size)
        for t in SETTINGS.thresholds:
            assert features(row.value["minimal"][str(t)]) == list(alone.minimal[t])


def test_active_and_dormant_part_the_minimal_set_as_the_whole_dictionary_does(tiny, whole):
    seen = 0
    for item, row in whole.ledger.read("inert").items():
        frame = tiny.features(whole.text(item))
        firing = {Feature(int(a), int(b)) for a, b in zip(frame["layer"], frame["index"], strict=True)}
        assert set(features(row.value["active"])) == set(whole.minimal(item)) & firing
        assert set(features(row.value["dormant"])) == set(whole.minimal(item)) - firing
        edited = tiny.features(whole.text(item), Edits.ablate(features(row.value["active"])))
        marks = {(f"{a}-{b}", p) for a, b, p in zip(edited["layer"], edited["index"], edited["position"], strict=True)}
        dormant = set(row.value["dormant"])
        assert {(f, p) for f, p, *_ in row.value["woken"]} == {(f, p) for f, p in marks if f in dormant}
        seen += 1
    assert seen


def test_what_is_found_does_not_depend_on_where_it_was_interrupted(tiny, whole, tmp_path):
    """Stopped before every single group, in a new process's state each time; row for row the same."""
    path = tmp_path / "runs.duckdb"
    identifier = begun(tiny, path).ledger.run

    class Once:
        asked = 0

        def __call__(self):
            Once.asked += 1
            if Once.asked > 1:
                Once.asked = 0
                raise Cancelled("enough for now")

    stops = 0
    while True:
        store = Store(path)
        work = Runs(store).work(identifier, tiny)
        work.judge = judge
        Once.asked = 0
        try:
            run_steps(work, Once())
            break
        except Cancelled:
            stops += 1
        finally:
            store.close()
    assert stops > 20
    again = Runs(Store(path)).work(identifier, tiny)
    assert everything(again) == everything(whole)


def test_a_prompt_that_fails_is_a_row_and_the_others_are_as_they_were(tiny, whole, tmp_path, monkeypatch):
    bad = INPUTS.harmful[int(whole.kept("harmful")[3].partition("/")[2])]
    original = steps.first_flips

    def failing(texts, *rest, **named):
        if bad in texts:
            raise ZeroDivisionError("made to fail")
        return original(texts, *rest, **named)

    monkeypatch.setattr(steps, "first_flips", failing)
    work = begun(tiny, tmp_path / "runs.duckdb")
    run_steps(work)
    rows, good = work.ledger.read("candidates"), whole.ledger.read("candidates")
    failed = [item for item, row in rows.items() if row.error]
    assert [work.text(item) for item in failed] == [bad]
    assert rows[failed[0]].error == "ZeroDivisionError: made to fail" and rows[failed[0]].value == {}
    assert {i: r.value["k"] for i, r in rows.items() if not r.error} == {
        i: r.value["k"] for i, r in good.items() if i not in failed
    }
    assert failed[0] not in work.ledger.read("pruning")


def test_out_of_memory_halves_the_batch_and_says_so(tiny, whole, tmp_path, monkeypatch):
    from core.forward.token_budget import tokens_per_forward

    original = control_steps.do_random

    def greedy(work, group):
        if tokens_per_forward() > 300:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate more than there is.")
        return original(work, group)

    stages = tuple(s._replace(do=greedy) if s.name == "random" else s for s in STEPS)
    monkeypatch.setattr(runner, "STEPS", stages)
    work = begun(tiny, tmp_path / "runs.duckdb")
    run_steps(work)
    told = work.ledger.read("memory")
    assert {row.value["tokens_per_forward"] for row in told.values()} == {512, 256}
    assert work.ledger.read("random") == whole.ledger.read("random")


def test_memory_that_never_suffices_is_a_row_with_its_error(tiny, tmp_path, monkeypatch):
    def greedy(work, group):
        raise MemoryError("no room")

    stages = tuple(s._replace(do=greedy) if s.name == "direction" else s for s in STEPS[:3])
    monkeypatch.setattr(runner, "STEPS", stages)
    work = begun(tiny, tmp_path / "runs.duckdb", Settings(stages=(1,), tokens=4, k_steps=(2,)))
    run_steps(work)
    errors = [row.error for row in work.ledger.read("direction").values()]
    assert errors and all("MemoryError" in error for error in errors)


@pytest.mark.parametrize(
    "text", ["CUDA out of memory", "DefaultCPUAllocator: can't allocate memory: you tried", "Not enough memory"]
)
def test_what_counts_as_out_of_memory(text):
    assert out_of_memory(RuntimeError(text)) and not out_of_memory(RuntimeError("shapes do not match"))


def test_too_few_prompts_for_stage_three_is_one_sentence(tiny, tmp_path):
    settings = Settings(
        tokens=4, k_steps=(9,), thresholds=(0.01,), seeds=(0,), interaction_steps=(5,), probe_steps=(5,)
    )
    work = begun(tiny, tmp_path / "runs.duckdb", settings, Inputs(tuple(TEXTS[:12]), tuple(TEXTS[12:18])))
    run_steps(work)
    errors = {row.error for row in work.ledger.read("machine").values()}
    assert len(errors) == 1 and "Give more prompts" in errors.pop()
    assert all(row.value["verdicts"] == {} for row in work.ledger.read("interactions").values())


def test_fewer_stages_mean_fewer_rows(tiny, tmp_path):
    work = begun(tiny, tmp_path / "runs.duckdb", Settings(stages=(1,), tokens=4, k_steps=(2,)))
    seen = []
    run_steps(work, progress=seen.append)
    assert {stage for (stage, *_) in everything(work)} == {
        "screen",
        "candidates",
        "direction",
        "lengths",
        "cosines",
        "least_tokens",
        "recovery",
    }
    assert seen[-1].steps_done == seen[-1].steps == 7 and seen[-1].done == seen[-1].of
    assert all(0 <= p.done <= p.of for p in seen)


def test_a_run_needs_a_harmful_prompt():
    with pytest.raises(InputError, match="No harmful prompts"):
        Inputs((), PROMPTS)


def test_a_row_is_the_same_after_it_was_written(tiny, tmp_path):
    ledger = begun(tiny, tmp_path / "runs.duckdb").ledger
    ledger.append([Row("x", "a", {"n": 0.1 + 0.2, "nothing": float("nan"), "list": (1, 2.5), "text": "ü 😀"})])
    fresh = type(ledger)(ledger.store, ledger.run)
    assert ledger.read("x") == fresh.read("x")
    assert fresh.read("x")["a"].value == {"n": 0.1 + 0.2, "nothing": None, "list": [1, 2.5], "text": "ü 😀"}
