"""Tables of sets fixed beforehand, their controls and the machines' seeds, by hand from rows written by hand."""

import numpy as np
import pytest

from core.discovery.settings import Settings
from core.discovery.tables import fixed, search, seeds
from core.discovery.tables.draws import exchangeable
from core.discovery.tables.report import tables
from tests.written_rows import CANDIDATES, Rows

PRUNING = {
    "harmful/0000": {
        "pool": 60,
        "minimal": {"0.1": ["5-1", "5-2"], "0.2": ["5-1"]},
        "verdicts": {"0.1": "complied", "0.2": "complied"},
        "tau": "0.2",
    },
    "harmful/0001": {
        "pool": 120,
        "minimal": {"0.1": ["5-1", "7-3"], "0.2": []},
        "verdicts": {"0.1": "complied", "0.2": "refused"},
        "tau": "0.1",
    },
}


def control(verdict, removed=1.0, matched=True, short=0):
    return {"drawn": ["5-9"], "verdict": verdict, "removed": removed, "matched": matched, "short": short}


def compared(verdict, draws, strongest):
    return {
        "features": 2,
        "verdict": verdict,
        "draws": [control(v, 1.02 if v == "complied" else 0.98, short=v == "degenerate") for v in draws],
        "strongest": control(strongest, 1.5, matched=False),
    }


CONTROLS = {
    "harmful/0000": {
        "fixed": compared("complied", ["refused", "refused"], "refused"),
        "chosen": compared("complied", ["refused", "refused"], "refused"),
    },
    "harmful/0001": {"fixed": compared("complied", ["complied", "degenerate"], "complied")},
    "harmful/0004": {"fixed": compared("refused", ["refused", "refused"], "refused")},
}
SET = {"pool": 60, "pool_verdict": "complied", "minimal": ["5-1", "5-2"], "verdict": "complied"}
FIXED = {
    "harmful/0000": {"k": 10, "tau": 0.1, "sets": {"3": SET | {"verdict": "refused"}, "10": SET}},
    "harmful/0004": {"k": 10, "tau": 0.1, "sets": {"3": SET, "10": SET | {"verdict": "degenerate", "minimal": []}}},
}


def test_a_set_fixed_beforehand_is_tested_and_a_chosen_one_is_not():
    table = fixed.matched(Rows(controls=CONTROLS, fixed=FIXED))
    frame = table.frame
    assert frame["set"].tolist()[::3] == [
        "K = 10, τ = 0.1, fixed beforehand",
        "minimal set, chosen afterwards, because it flips",
    ]
    assert frame["ablated"].tolist()[:3] == ["the set", "random, matched", "strongest unaligned active features"]
    assert frame[["flipped", "n"]].values.tolist() == [[2, 3], [1, 6], [1, 3], [1, 1], [0, 2], [0, 1]]
    assert frame["rate"][1] == pytest.approx(1 / 6) and frame["rate, set less control"][1] == pytest.approx(0.5)
    of_set, draws = np.array([True, True, False]), np.array([[False, False], [True, False], [False, False]])
    assert frame["p"][1] == pytest.approx(exchangeable(of_set, draws)) and frame["p"][2] == 1.0
    assert frame["p, Holm"][1] == pytest.approx(min(1.0, 2 * frame["p"][1])) and frame["p, Holm"][3:].isna().all()
    assert frame["p"][3:].isna().all() and "could not have lost" in table.note
    assert frame["norm removed"][1] == pytest.approx(0.98) and frame[["matched", "of"]].values.tolist()[1:3] == [
        [6, 6],
        [0, 3],
    ]
    assert frame[["still refused", "degenerate"]].values.tolist()[1] == [
        sum(
            draw["verdict"] == verdict
            for value in CONTROLS.values()
            if "fixed" in value
            for draw in value["fixed"]["draws"]
        )
        for verdict in ("refused", "degenerate")
    ]
    assert "1 controls have fewer features" in table.note


def test_the_interval_of_draws_has_prompts_not_draws_as_its_n():
    never = {f"harmful/{n:04d}": {"fixed": compared("complied", ["refused"] * 5, "refused")} for n in range(10)}
    row = fixed.matched(Rows(controls=never)).frame.iloc[1]
    assert (row["flipped"], row["n"], row["low"]) == (0, 50, 0) and row["high"] > 0.2  # of 50, Wilson would say 0.07


def test_sets_fixed_beforehand_have_every_refused_prompt_as_n():
    frame = fixed.fixed(Rows(fixed=FIXED)).frame
    assert frame["sets"].tolist()[::2] == ["K = 10, τ = 0.1, fixed beforehand", "K = 3, τ = 0.1, beside"]
    assert frame[["flipped", "n", "degenerate"]].values.tolist() == [[2, 2, 0], [1, 2, 1], [2, 2, 0], [1, 2, 0]]
    assert frame["features, median"].tolist() == [60, 1, 60, 2]


def test_the_threshold_fixed_beforehand_is_marked_in_stage_two():
    frame = search.stage_two(Rows(candidates=CANDIDATES, pruning=PRUNING, fixed=FIXED)).frame
    assert frame["fixed beforehand"].tolist() == ["yes", ""]
    assert "chosen afterwards" in search.minimal(Rows(pruning=PRUNING)).note


def fit(accuracy, alike, ranking=()):
    return {
        "accuracy": [accuracy, 10],
        "best_epoch": 3,
        "above_0.9": alike,
        "moved": 0.5,
        "ranking": list(ranking),
        "ranked_of": 8,
        "curve": [[0.5, 0.6, 0.9]] * 4,
        "area_under_curve": 1.0,
        "columns": 9,
        "rows": 100,
    }


MACHINE = {
    "size/5": fit(9, 0.02, ["1-1", "1-2", "1-3"]),
    "size/5/seed/1": fit(7, 0.04, ["1-1", "1-4", "1-5"]),
    "size/5/seed/2": fit(8, 0.06, ["1-2", "1-1", "1-5"]),
    "probe": {k: v for k, v in fit(10, None).items() if k not in ("above_0.9", "moved", "ranking", "ranked_of")},
    "probe/seed/1": {k: v for k, v in fit(9, None).items() if k not in ("above_0.9", "moved", "ranking", "ranked_of")},
}


def test_machines_over_seeds_with_what_chance_gives():
    frame = seeds.agreement(Rows(machine=MACHINE)).frame
    row = frame.iloc[0]
    assert (row["machine"], row["seeds"], row["test rows"]) == ("embeddings of 5", 3, 10)
    assert [row[f"accuracy{x}"] for x in ("", ", least", ", most")] == pytest.approx([0.8, 0.7, 0.9])
    assert [row[f"pairs above 0.9{x}"] for x in ("", ", least", ", most")] == pytest.approx([0.04, 0.02, 0.06])
    assert [row[f"overlap{x}"] for x in ("", ", least", ", most")] == pytest.approx([5 / 9, 1 / 3, 2 / 3])
    assert row["overlap by chance"] == pytest.approx(3 / 8)
    assert frame["machine"].tolist() == ["embeddings of 5", "linear probe"] and np.isnan(frame["overlap"][1])


def test_chance_of_alike_pairs_is_that_of_random_directions():
    from core.discovery.stage3_factorization import alike_by_chance, similar_embeddings

    random = np.random.default_rng(0).normal(size=(4000, 5))
    assert (similar_embeddings(random) > 0.9).mean() == pytest.approx(alike_by_chance(5), abs=0.002)
    assert alike_by_chance(50) < 1e-12


def test_machines_are_one_row_a_fit_and_curves_those_of_the_first_seed():
    frame = search.machines(Rows(machine=MACHINE)).frame
    assert frame["machine"].tolist() == ["embeddings of 5"] * 3 + ["linear probe"] * 2
    assert set(search.curves(Rows(machine=MACHINE))["machine"]) == {"embeddings of 5", "linear probe"}
    assert len(search.curves(Rows(machine=MACHINE))) == 2 * 2 * 4


def test_the_report_has_the_new_tables_the_summary_their_lines_and_settings_the_readings():
    ledger = Rows(candidates=CANDIDATES, pruning=PRUNING, controls=CONTROLS, fixed=FIXED, machine=MACHINE)
    found = {table.name: table for table in tables(ledger, Settings())}
    assert {"fixed", "controls", "machine_seeds", "readings"} <= set(found)
    assert "readings" not in {table.name for table in tables(ledger)}
    lines = found["summary"].frame["ablated"].tolist()
    assert "random, matched (K = 10, τ = 0.1, fixed beforehand)" in lines
    assert "Stage 2: minimal sets, τ = 0.1, chosen afterwards" in lines
