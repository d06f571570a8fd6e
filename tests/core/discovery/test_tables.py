"""Every table by hand, from rows written by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from core.discovery.ledger import Row
from core.discovery.tables import controls, cosines, cost, search
from core.discovery.tables.export import is_share, markdown, markdown_table, write
from core.discovery.tables.report import tables
from tests.written_rows import CANDIDATES, PRUNING, SCREEN, Rows


def test_prompts_kept_and_dropped():
    frame = search.prompts(Rows(screen=SCREEN)).frame
    assert frame.loc[frame["prompts"] == "harmful", ["answer", "count", "of", "kept of them"]].values.tolist() == [
        ["refused", 2, 4, 2],
        ["complied", 1, 4, 2],
        ["unusable", 1, 4, 2],
    ]
    assert set(frame.loc[frame["prompts"] == "benign", "answer"]) == {"complied", "ZeroDivisionError: by zero"}


def test_by_category_counts_what_each_stage_leaves_of_each_category():
    names = {"harmful/0000": "drugs", "harmful/0001": "fraud", "harmful/0002": "drugs"}
    screened = {item: value | {"category": names[item]} if item in names else value for item, value in SCREEN.items()}
    rows = Rows(screen=screened, candidates=CANDIDATES, pruning=PRUNING)
    frame = search.by_category(rows).frame.set_index("category")
    assert frame[["prompts", "refused", "flipped", "n", "with a minimal set"]].to_dict("index") == {
        "drugs": {"prompts": 2, "refused": 1, "flipped": 1, "n": 1, "with a minimal set": 1},
        "fraud": {"prompts": 1, "refused": 1, "flipped": 1, "n": 1, "with a minimal set": 1},
    }
    assert frame["features, median"].tolist() == [1, 2]
    assert search.by_category(Rows(screen=SCREEN, candidates=CANDIDATES)).frame.empty


def test_a_category_counts_only_prompts_that_were_asked():
    def row(reason):
        return {"kept": reason == "refused", "reason": reason, "category": "drugs"}

    reasons = ["refused", "repeated", "complied", "repeated", "The prompt is empty. Type a request.", "off-topic"]
    table = search.by_category(Rows(screen={f"harmful/{i:04d}": row(reason) for i, reason in enumerate(reasons)}))
    assert table.frame[["prompts", "refused", "refused, share"]].values.tolist() == [[3, 1, 1 / 3]]
    assert "repeated and unusable ones are left out" in table.note


def test_stage_one_counts_flips_up_to_each_k():
    frame = search.stage_one(Rows(candidates=CANDIDATES)).frame
    assert frame[
        ["K per layer", "features", "flipped", "n", "tried at this K", "degenerate at this K"]
    ].values.tolist() == [[10, 60, 1, 3, 3, 1], [20, 120, 2, 3, 2, 0]]
    assert frame["low"][0] < 1 / 3 < frame["high"][0]


def test_stage_two_has_every_refused_prompt_as_n():
    frame = search.stage_two(Rows(candidates=CANDIDATES, pruning=PRUNING)).frame
    assert frame["flipped"].tolist() == [2, 1] and frame["n"].tolist() == [3, 3]
    assert frame["features, median"].tolist() == [2.5, 0.5] and frame["unique features"].tolist() == [4, 1]
    assert frame["overlap"].tolist() == pytest.approx([1 / 4, 0.0])
    assert {"overlap, from", "overlap, to", "features, median, from", "features, median, to"} <= set(frame)


def test_the_minimal_set_is_the_one_at_the_largest_threshold_that_flips():
    chosen = search.minimal_sets(Rows(pruning=PRUNING))
    assert chosen[["item", "tau", "size", "of"]].values.tolist() == [
        ["harmful/0000", 0.2, 1, 60],
        ["harmful/0001", 0.1, 2, 120],
    ]
    row = search.minimal(Rows(pruning=PRUNING)).frame.iloc[0]
    assert row["unique features"] == 2 and row["overlap, mean Jaccard"] == 0.5 and row["layers"] == "5: 2, 7: 1"


INERT = {
    "harmful/0000": {
        "active": ["5-1"],
        "dormant": [],
        "without_dormant": "complied",
        "dormant_alone": "refused",
        "woken": [],
    },
    "harmful/0001": {
        "active": ["5-1"],
        "dormant": ["7-3", "7-4"],
        "without_dormant": "refused",
        "dormant_alone": "refused",
        "woken": [["7-3", 0, "<s>", "bos", 2.0], ["7-3", 4, "a", "instruction", 1.0]],
    },
}


def test_inert_features_and_what_removing_them_does():
    """Of two sets one holds dormant features: that one alone could have come out otherwise, and it did."""
    table = controls.inert(Rows(inert=INERT))
    assert table.frame[["flipped", "n", "cannot be tested on"]].values.tolist() == [[0, 1, 1]]
    assert "chosen afterwards" in table.frame["sets"][0] and "cannot be tested on 1 prompts" in table.note
    assert "1 of 2 sets" in table.note and "2 of 3 critical features" in table.note


def test_inert_features_of_sets_fixed_beforehand_come_first():
    never = {"pool": 30, "pool_verdict": "complied", "minimal": ["5-1"], "verdict": "refused"}
    flips = never | {"verdict": "complied"} | INERT["harmful/0001"]
    rows = {
        "harmful/0000": {"k": 10, "tau": 0.1, "sets": {"10": never, "3": flips}},
        "harmful/0001": {"k": 10, "tau": 0.1, "sets": {"10": flips, "3": flips | {"without_dormant": "complied"}}},
    }
    table = controls.inert(Rows(fixed=rows, inert=INERT))
    assert table.frame["sets"].tolist()[:2] == ["K = 10, τ = 0.1, fixed beforehand", "K = 3, τ = 0.1, beside"]
    found = table.frame[["sets that flip", "flipped", "n", "cannot be tested on"]]
    assert found.values.tolist() == [[1, 0, 1, 0], [2, 1, 2, 0], [2, 0, 1, 1]]


def test_redundant_features_by_where_they_wake():
    """Step 2 as written keeps nothing here, as the dormant features alone flip nothing; the other reading keeps one."""
    frame = controls.redundant(Rows(inert=INERT)).frame
    assert frame[["prompts", "of", "dormant", "woken", "marks"]].values.tolist() == [
        [0, 1, 0, 0, 0],
        [1, 1, 2, 1, 2],
        [1, 1, 2, 1, 2],
    ]
    assert frame["share at bos"].tolist()[1:] == [0.5, 0.5] and frame["share at template"].tolist()[1:] == [0.0, 0.0]
    assert np.isnan(frame["share at bos"][0]) and "share at bos, from" in frame and "share at bos, to" in frame


@pytest.mark.parametrize(("reading", "row"), [("alone", 0), ("left out", 1), (None, 1)])
def test_the_reading_of_step_two_that_a_run_took_is_marked(reading, row):
    """Runs from before there was a choice left the dormant features out."""
    said = {item: value | ({"step_two": reading} if reading else {}) for item, value in INERT.items()}
    samples = controls.redundant(Rows(inert=said)).frame["samples"]
    assert [n for n, text in enumerate(samples) if "this run's reading" in text] == [row]


def test_random_features_are_paired_with_the_minimal_set():
    random = {
        i: {"features": 2, "drawn": ["5-9", "5-8"], "verdict": v}
        for i, v in (("harmful/0000", "refused"), ("harmful/0001", "complied"))
    }
    table = controls.random(Rows(pruning=PRUNING, random=random))
    assert table.frame["flipped"].tolist() == [2, 1]
    assert "no p-value" in table.note and "p =" not in table.note and "chosen afterwards" in table.frame["ablated"][0]
    random["harmful/0001"]["drawn"] = []
    assert "1 prompts have fewer" in controls.random(Rows(pruning=PRUNING, random=random)).note


INTERACTIONS = {
    "harmful/0000": {
        "verdicts": {"100": "refused", "200": "complied"},
        "k": 200,
        "alone": "complied",
        "active": 4,
        "deactivated": 1,
        "drop": 0.5,
    },
    "harmful/0001": {
        "verdicts": {"100": "complied", "200": "degenerate"},
        "k": 100,
        "alone": "refused",
        "active": 2,
        "deactivated": 1,
        "drop": None,
    },
    "harmful/0004": {"verdicts": {"100": "refused", "200": "refused"}, "k": None},
}


def test_the_sweep_of_stage_three():
    frame = search.interactions(Rows(interactions=INTERACTIONS)).frame
    assert frame[["K", "flipped", "n", "degenerate", "flipped at K or below"]].values.tolist() == [
        [100, 1, 3, 0, 1],
        [200, 1, 3, 1, 2],
    ]


def test_what_new_features_do_to_the_old_ones():
    row = controls.links(Rows(interactions=INTERACTIONS)).frame.iloc[0]
    assert (row["flipped"], row["n"]) == (1, 2)
    assert row["deactivated, mean"] == pytest.approx(0.375) and row["deactivated, most"] == 0.5
    assert row["drop of the others, mean"] == 0.5 and row["prompts with others still active"] == 1
    assert row["deactivated, mean, from"] < 0.375 < row["deactivated, mean, to"]
    assert np.isnan(row["drop of the others, mean, from"]), "one prompt gives no interval"


def test_machine_against_probe():
    probe = {
        "harmful/0000": {"probe": {"100": "refused"}, "machine": {"100": "complied"}},
        "harmful/0001": {"probe": {"100": "degenerate"}, "machine": {"100": "complied"}},
    }
    table = controls.probe(Rows(probe=probe))
    assert table.frame[["K", "ranked by", "flipped", "n"]].values.tolist() == [
        [100, "factorization machine", 2, 2],
        [100, "linear probe", 0, 2],
    ]
    assert "K = 100: p = 0.5" in table.note


def test_the_tests_of_one_family_are_corrected_together():
    machine, other = {"100": "complied", "500": "complied"}, {"100": "refused", "500": "refused"}
    some = {"probe": other, "machine": machine}
    probe = {
        f"harmful/{i:04d}": some if i < 8 else {**some, "probe": {"100": "refused", "500": "complied"}}
        for i in range(10)
    }
    frame = controls.probe(Rows(probe=probe)).frame
    raw = [2 / 2**10, 2 / 2**8]
    assert frame["p"].tolist() == pytest.approx([raw[0], raw[0], raw[1], raw[1]])
    assert frame["p, Holm"].tolist() == pytest.approx([2 * raw[0], 2 * raw[0], raw[1], raw[1]])
    assert (
        "Holm within the family “machine against probe” (one test for every K)"
        in controls.probe(Rows(probe=probe)).note
    )


def test_cost_is_a_mean_over_per_prompt_sets():
    rows = {
        "baseline": {"instruction": {"mean": 2.0, "texts": 4}, "plain": {"mean": 3.0, "texts": 2}},
        "direction": {"instruction": {"mean": 2.1, "texts": 4}, "plain": {"mean": 3.1, "texts": 2}},
        "set/harmful/0000": {"instruction": {"mean": 2.2, "texts": 4}, "plain": {"mean": 3.2, "texts": 2}},
        "set/harmful/0001": {"instruction": {"mean": 2.4, "texts": 4}, "plain": {"mean": None, "texts": 0}},
    }
    frame = cost.cost(Rows(cost=rows)).frame
    assert frame["cross-entropy"].tolist() == pytest.approx([2.0, 2.1, 2.3, 3.0, 3.1, 3.2])
    assert frame["sets"].tolist() == [1, 1, 2, 1, 1, 1] and frame["texts"].tolist() == [4, 4, 4, 2, 2, 2]
    assert frame["sd over sets"][2] == pytest.approx(np.std([2.2, 2.4], ddof=1))


def each(*rows):
    """Rows of the step “cost”: unedited, direction, then sets, each with its values text by text."""
    names = ["baseline", "direction", *(f"set/harmful/{i:04d}" for i in range(len(rows) - 2))]
    return {name: {"alpaca": {"each": list(row)}} for name, row in zip(names, rows, strict=True)}


def test_cross_entropy_has_an_interval_and_a_paired_difference():
    texts = np.linspace(1, 5, 12)
    frame = cost.cost(Rows(cost=each(texts, texts + 0.1 + texts / 100, texts + 0.3, texts + 0.5))).frame
    bare, direction, sets = (frame.iloc[i] for i in range(3))
    assert bare["cross-entropy, from"] < 3.0 < bare["cross-entropy, to"] and bare["texts"] == 12
    assert np.isnan(bare["added to unedited"])
    wide = direction["cross-entropy, to"] - direction["cross-entropy, from"]
    narrow = direction["added to unedited, to"] - direction["added to unedited, from"]
    assert direction["added to unedited"] == pytest.approx(0.13) and narrow < wide / 20, "paired, text by text"
    assert sets["added to unedited"] == pytest.approx(0.4) and (sets["sets"], sets["texts"]) == (2, 12)
    half = 12.7062 * 0.1  # Student's t of the two sets
    assert (sets["added to unedited, from"], sets["added to unedited, to"]) == pytest.approx((0.4 - half, 0.4 + half))


def test_a_text_without_tokens_leaves_no_other_text_out():
    frame = cost.cost(Rows(cost=each([1.0, 2.0, None], [1.5, 2.6, None], [2.0, 3.0, None], [2.0, 3.2, None]))).frame
    assert frame["cross-entropy"].tolist() == pytest.approx([1.5, 2.05, 2.55]) and frame["texts"].tolist() == [2, 2, 2]


def test_what_the_texts_are_is_said_under_the_table():
    here = {"texts": ["a", "b"], "origin": "Alpaca (benign), tatsu-lab/alpaca at dce01c9b08f8", "of": 31323}
    found = cost.cost(Rows(cost=each([1.0], [1.0]), texts={"alpaca": here})).note
    assert "2 of 31,323 drawn from Alpaca (benign), tatsu-lab/alpaca at dce01c9b08f8" in found
    gone = {"missing": "NeelNanda/pile-10k is not on this machine, and HF_HUB_OFFLINE is set: unset it to download."}
    one = cost.cost(Rows(cost=each([1.0], [1.0]), texts={"alpaca": here, "pile-10k": gone})).note
    assert "Pile could not be fetched, so the table lacks them: NeelNanda/pile-10k is not on this machine" in one
    none = cost.cost(Rows(cost=each([1.0], [1.0]), texts={"alpaca": gone, "pile-10k": gone})).note
    assert (
        none.count("could not be fetched") == 1 and "Alpaca and Pile could not be fetched, so only the bundled" in none
    )
    assert "did not ask for public texts" in cost.cost(Rows(cost=each([1.0], [1.0]))).note


def test_cosine_by_layer_has_both_sides_with_their_intervals():
    generator = np.random.default_rng(0)
    rise = np.array([0.0, 0.2, 0.4, 0.3])
    rows = {f"harmful/{i:04d}": {"cosine": (rise + generator.normal(0, 0.05, 4)).tolist()} for i in range(20)}
    rows |= {f"benign/{i:04d}": {"cosine": generator.normal(0, 0.05, 4).tolist()} for i in range(15)}
    table = cosines.cosines(Rows(cosines=rows))
    frame = table.frame
    assert frame["layer"].tolist() == [0, 1, 2, 3]
    assert frame["harmful, n"].tolist() == [20] * 4 and frame["benign, n"].tolist() == [15] * 4
    assert (frame["harmful, from"] < frame["harmful"]).all() and (frame["harmful"] < frame["harmful, to"]).all()
    assert frame["difference, from"][0] < 0 < frame["difference, to"][0] and frame["difference, from"][2] > 0.3
    assert "highest after layer 2, and rises at every layer on the way there" in table.note
    drawn = cosines.lines(frame)
    assert len(drawn) == 8 and set(drawn["prompts"]) == {"harmful", "benign"} and (drawn["low"] < drawn["high"]).all()
    alone = cosines.cosines(Rows(cosines={k: v for k, v in rows.items() if k.startswith("harmful")})).frame
    assert "difference" not in alone and len(cosines.cosines(Rows()).frame) == 0


MACHINE = {
    "size/5": {
        "accuracy": [9, 10],
        "area_under_curve": 0.95,
        "best_epoch": 2,
        "columns": 50,
        "rows": 100,
        "similarity": [0.1, 0.2, 0.95, 0.97, 0.99],
        "above_0.9": 0.8,
    },
    "probe": {"accuracy": [8, 10], "area_under_curve": None, "best_epoch": 1, "columns": 50, "rows": 100},
}


def test_machines_and_the_probe():
    frame = search.machines(Rows(machine=MACHINE)).frame
    assert frame["machine"].tolist() == ["embeddings of 5", "linear probe"] and frame["accuracy"].tolist() == [0.9, 0.8]
    assert frame["pairs above 0.9"][0] == 0.8
    assert 0.5 < frame["area under curve, from"][0] < 0.95 < frame["area under curve, to"][0] < 1
    assert np.isnan(frame["area under curve, from"][1])


def test_a_report_is_the_tables_that_have_rows(tmp_path):
    memory = {"random/harmful/0000/512": Row("memory", "random/harmful/0000/512", {"tokens_per_forward": 512})}
    ledger = Rows(screen=SCREEN, candidates=CANDIDATES, pruning=PRUNING, inert=INERT, machine=MACHINE, memory=memory)
    found = tables(ledger)
    assert [t.name for t in found] == [
        "summary",
        "prompts",
        "stage_1",
        "stage_2",
        "minimal_sets",
        "inert",
        "redundant",
        "machines",
        "failures",
    ]
    assert tables(Rows()) == []
    whats = found[-1].frame["what"].tolist()
    assert whats == ["ZeroDivisionError: by zero", "out of memory; continued with 512 tokens per pass"]
    facts = {"run": "r1", "model": "tiny", "settings": '{"a": 1}'}
    written = write(found, facts, tmp_path / "out").files
    assert all(path.is_file() for path in written) and len(written) == 2 + 2 * len(found)
    for table in found:
        for frame in (
            pd.read_csv(tmp_path / f"out/{table.name}.csv"),
            pd.read_parquet(tmp_path / f"out/{table.name}.parquet"),
        ):
            assert len(frame) == len(table.frame) and (frame["model"] == "tiny").all() and (frame["run"] == "r1").all()
    stored = json.loads((tmp_path / "out/report.json").read_text())
    assert stored["facts"] == facts and len(stored["tables"]["stage_1"]) == 2
    text = markdown(found, facts)
    assert text == (tmp_path / "out/report.md").read_text()
    assert text.count("run r1") == len(found) and "33.3%" in text


def test_a_markdown_table_cannot_be_broken_by_what_it_holds():
    text = markdown_table(pd.DataFrame({"a": ["x|y\nz", None], "rate": [0.25, np.nan]}))
    assert text.splitlines() == ["| a | rate |", "| --- | --- |", "| x\\|y z | 25.0% |", "| – | – |"]
    assert is_share("rate") and is_share("overlap") and not is_share("overlap, mean Jaccard") and not is_share("n")


def test_features_on_many_tokens_are_in_the_order_of_the_numbers():
    verdicts = {"1": "degenerate", "12": "complied", "2": "refused"}  # as JSON hands them back
    rows = {
        "harmful/0000": Row(
            "least_tokens", "harmful/0000", {"verdicts": verdicts, "features": dict.fromkeys(verdicts, 3)}
        )
    }
    frame = controls.least_tokens(Rows(least_tokens=rows)).frame
    assert frame["tokens at least"].tolist() == [1, 2, 12] and frame["flipped"].tolist() == [0, 0, 1]
