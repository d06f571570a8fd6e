"""Sets fixed beforehand and their controls, as steps of a run on the tiny model."""

from dataclasses import replace

import numpy as np
import pytest

from cache.store.database import Store
from cache.store.runs import Runs
from core import Edits
from core.discovery.control_sets import TOLERANCE, active_layers
from core.discovery.ledger import features
from core.discovery.runner import run_steps
from core.discovery.stage2_pruning import prune
from core.discovery.steps import ranking
from tests.small_search import INPUTS, SETTINGS, judge


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    runs = Runs(Store(tmp_path_factory.mktemp("fixed") / "runs.duckdb"))
    work = runs.work(runs.create(tiny, INPUTS, SETTINGS), tiny)
    work.judge = judge
    run_steps(work)
    return work


def answer(work, text, chosen):
    """The verdict on the prompt with these features ablated, alone."""
    (((verdict, _),),) = work.judged([(text, [Edits.ablate(chosen)])])
    return verdict


def test_every_refused_prompt_has_its_set_whatever_it_does(tiny, whole):
    rows = whole.ledger.read("fixed")
    assert list(rows) == whole.kept("harmful") and len(rows) > len(whole.critical())
    for item in list(rows)[:8]:
        value, text = rows[item].value, whole.text(item)
        assert (value["k"], value["tau"]) == (2, 0.001) and set(value["sets"]) == {"2", "3"}
        for k, found in value["sets"].items():
            pool = whole.pool(int(k))

            def probability(sets, text=text):
                return np.array([tiny.measure([text], [Edits.ablate(s)]).p_refusal[0, 0] for s in sets])

            alone = prune(pool, probability, (0.001,), SETTINGS.seeds, SETTINGS.block_size)
            assert features(found["minimal"]) == list(alone.minimal[0.001])
            assert found["pool_verdict"] == answer(whole, text, pool)
            assert found["verdict"] == answer(whole, text, alone.minimal[0.001])
            assert ("dormant" in found) == (found["verdict"] == "complied")


def test_controls_are_answered_as_they_are_drawn(whole):
    rows, seen = whole.ledger.read("controls"), 0
    assert list(rows) == whole.kept("harmful")
    for item, row in list(rows.items())[:8]:
        for kind in row.value.values():
            assert len(kind["draws"]) == SETTINGS.control_draws
            for control in (*kind["draws"], kind["strongest"]):
                assert control["verdict"] == answer(whole, whole.text(item), features(control["drawn"]))
                seen += 1
    assert seen


def test_a_matched_draw_removes_what_the_set_removes_on_the_prompt(tiny, whole):
    """By the engine itself: the residual stream with and without the edit at the layer, alone, position by position."""
    checked = 0
    for item, row in whole.ledger.read("controls").items():
        value = row.value.get("chosen")
        if value is None or not any(draw["matched"] for draw in value["draws"]):
            continue
        minimal, text = whole.minimal(item), whole.text(item)
        layers = active_layers(whole.engine, text, {f.layer for f in minimal})
        for draw in value["draws"]:
            drawn = features(draw["drawn"])
            assert not set(drawn) & set(minimal)
            for number in layers if draw["matched"] else ():
                mine, wanted = (removed(tiny, text, [f for f in s if f.layer == number]) for s in (drawn, minimal))
                assert abs(mine - wanted) <= TOLERANCE * wanted + 1e-4
                checked += 1
    assert checked > 3


def removed(engine, text, chosen):
    """‖Σ f·d‖ over positions behind BOS, from the frame of active features and SAE rows."""
    if not chosen:
        return 0.0
    frame, total = engine.features(text), 0.0
    frame = frame[(frame["position"] > 0) & (frame["layer"] == chosen[0].layer)]
    for _, here in frame.groupby("position"):
        mine = here[here["index"].isin([f.index for f in chosen])]
        rows = engine.reader.decoders(chosen[0].layer, mine["index"].to_numpy(np.int64))
        total += float(((mine["activation"].to_numpy()[:, None] * rows).sum(0) ** 2).sum())
    return total**0.5


def test_what_ranks_downstream_is_the_consensus_of_all_seeds(whole):
    rows = whole.ledger.read("machine")
    single = [features(rows[item].value["ranking"]) for item in ("size/5", "size/5/seed/1")]
    consensus = ranking(whole, "size/5")
    assert single[0] != single[1] and consensus not in single
    places = [{f: n for n, f in enumerate(one)} for one in single]
    mean = [sum(place.get(f, len(place)) for place in places) for f in consensus]
    assert mean == sorted(mean)
    assert rows["size/5"].value["seed"] == 0 and rows["size/5/seed/1"].value["seed"] == 1


def test_a_run_without_controls_makes_none(tiny, tmp_path):
    runs = Runs(Store(tmp_path / "runs.duckdb"))
    settings = replace(SETTINGS, stages=(1, 2), control_draws=0, k_beside=())
    work = runs.work(runs.create(tiny, INPUTS, settings), tiny)
    work.judge = judge
    run_steps(work)
    assert work.ledger.read("fixed") == {} == work.ledger.read("controls") and work.ledger.read("random")


def test_layers_left_out_are_counted_as_asked(tiny, tmp_path):
    """Layers 1, 2 and 3 have SAEs. Counted from 1, layer 1 is left out; counted from 0, layers 1 and 2 are."""
    from dataclasses import replace

    runs = Runs(Store(tmp_path / "runs.duckdb"))
    for start, expected in ((1, {2, 3}), (0, {3})):
        settings = replace(SETTINGS, layers_counted_from=start)
        work = runs.work(runs.create(tiny, INPUTS, settings), tiny)
        assert {f.layer for f in work.pool(5)} == expected
