"""Recovery of a run: the same sets that the steps ablated, measured alone, and its columns beside the rates."""

import json

import pytest

from cache.store.database import Store
from cache.store.runs import Runs
from core import Edits
from core.discovery.context import Inputs
from core.discovery.fixed_steps import FIXED
from core.discovery.ledger import Row
from core.discovery.recovery_step import ablated, gap_of, gap_over_draws
from core.discovery.runner import run_steps
from core.discovery.settings import Settings
from core.discovery.tables.export import is_share
from core.discovery.tables.fixed import RANDOM, UNALIGNED
from core.discovery.tables.recovery import COLUMNS, recovery_of
from core.discovery.tables.report import tables
from core.measures.recovery import Gap, over_prompts
from core.prompts.references import Reference
from tests.judges import judging
from tests.small_search import INPUTS, REFERENCES, SETTINGS, TEXTS, judge, verdict_of


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    runs = Runs(Store(tmp_path_factory.mktemp("recovery") / "runs.duckdb"))
    work = runs.work(runs.create(tiny, INPUTS, SETTINGS), tiny)
    work.judge = judge
    run_steps(work)
    return work


def test_refused_prompts_with_a_reference_answer_have_a_row(whole):
    rows = whole.ledger.read("recovery")
    expected = [i for i in whole.kept("harmful") if whole.text(i) in {one.prompt for one in REFERENCES}]
    assert list(rows) == expected and 4 < len(rows) < len(whole.kept("harmful"))
    assert not [row.error for row in rows.values() if row.error]


def test_each_gap_is_that_of_its_set_alone(tiny, whole):
    for item, row in list(whole.ledger.read("recovery").items())[:4]:
        reference = whole.references[whole.text(item)]
        sets = {"direction": Edits.ablate_direction(tiny.direction())}
        sets |= {name: Edits.ablate(chosen) for name, chosen in ablated(whole, item).items()}
        assert set(row.value["gaps"]) == set(sets)
        for name, edits in sets.items():
            ((alone,),) = tiny.recovery([reference], [edits])
            assert gap_of(row.value, name) == pytest.approx(alone, abs=1e-4), name
    assert gap_of(row.value, "nothing") is None


def test_the_sets_are_those_that_were_judged(tiny, whole):
    """The verdicts that the steps wrote are those of the answers under the sets that recovery is measured on."""
    seen = set()
    for item in whole.kept("harmful"):
        sets = ablated(whole, item)
        said = {f"stage_1/{k}": v for k, v in whole.ledger.read("candidates")[item].value["tried"]}
        for stage, name in (("direction", "direction"), ("random", "random")):
            if item in whole.ledger.read(stage):
                said[name] = whole.ledger.read(stage)[item].value["verdict"]
        if item in whole.ledger.read("inert"):
            value = whole.ledger.read("inert")[item].value
            assert ("active" in sets) == bool(value["dormant"])
            said |= {"active": value["without_dormant"]} if value["dormant"] else {}
        for stage, name in (("pruning", "stage_2"), ("least_tokens", "least_tokens"), ("interactions", "stage_3")):
            if item in whole.ledger.read(stage):
                said |= {f"{name}/{k}": v for k, v in whole.ledger.read(stage)[item].value["verdicts"].items()}
        if item in whole.ledger.read("interactions"):
            alone = whole.ledger.read("interactions")[item].value.get("alone")
            said |= {} if alone is None else {"alone": alone}
        if item in whole.ledger.read("probe"):
            for name, verdicts in whole.ledger.read("probe")[item].value.items():
                said |= {f"{name}/{k}": v for k, v in verdicts.items()}
        if item in whole.ledger.read("fixed"):
            for k, value in whole.ledger.read("fixed")[item].value["sets"].items():
                said |= {f"pool/{k}": value["pool_verdict"], f"fixed/{k}": value["verdict"]}
                said |= {f"fixed_active/{k}": value["without_dormant"]} if value.get("dormant") else {}
        if item in whole.ledger.read("controls"):
            for kind, value in whole.ledger.read("controls")[item].value.items():
                said |= {f"matched/{kind}/{n}": draw["verdict"] for n, draw in enumerate(value["draws"])}
                said[f"unaligned/{kind}"] = value["strongest"]["verdict"]
        for name, expected in said.items():
            edits = Edits.ablate_direction(tiny.direction()) if name == "direction" else Edits.ablate(sets[name])
            ((answer,),) = tiny.answers([whole.text(item)], [edits], SETTINGS.tokens)
            assert verdict_of(answer) == expected, (item, name)
            seen.add(name.partition("/")[0])
        assert sets.get("minimal", []) == whole.minimal(item)
    always = {"direction", "stage_1", "stage_2", "random", "least_tokens", "stage_3", "alone", "machine", "probe"}
    always |= {"pool", "fixed", "matched", "unaligned"}
    assert seen - {"active", "fixed_active"} == always


def test_every_table_of_rates_has_the_columns_beside_them(whole):
    found = {table.name: table for table in tables(whole.ledger)}
    beside = (
        "summary",
        "direction",
        "stage_1",
        "stage_2",
        "inert",
        "random",
        "least_tokens",
        "stage_3",
        "links",
        "probe",
        "fixed",
        "controls",
    )
    for name in beside:
        columns = list(found[name].frame)
        place = columns.index("high")
        assert tuple(columns[place + 1 : place + 5]) == COLUMNS, name
        if name != "inert":  # whose sets may all fire
            assert found[name].frame["recovery, n"].max() > 0, name
    lines = found["summary"].frame.set_index("ablated")
    for row in found["controls"].frame.head(3).itertuples():
        said = lines.loc[f"{row.ablated} ({row.set})", list(COLUMNS)]
        expected = found["controls"].frame.loc[row.Index, list(COLUMNS)]
        assert said.astype(float).equals(expected.astype(float)) and said["recovery, n"] > 0
    dormant = [row for row in whole.ledger.read("inert").values() if row.value["dormant"]]
    measured = [row for row in whole.ledger.read("recovery").values() if "active" in row.value["gaps"]]
    assert found["inert"].frame["recovery, n"].iloc[-1] == len(measured) <= len(dormant)
    assert "recovery" not in found["minimal_sets"].frame and "recovery" not in found["cost"].frame
    row = found["direction"].frame.iloc[0]
    gaps = [gap_of(row.value, "direction") for row in whole.ledger.read("recovery").values()]
    assert tuple(row[list(COLUMNS)]) == over_prompts(gaps)[:4] == recovery_of(whole.ledger, "direction")[:4]
    assert "a 95% interval over prompts (bootstrap; of fewer than 20 prompts Student's t)" in found["direction"].note
    assert is_share("recovery") and is_share("recovery, from") and not is_share("recovery, n")


def test_a_control_of_several_draws_recovers_what_its_mean_does(whole):
    rows = [row.value for row in whole.ledger.read("recovery").values()]
    table = {table.name: table for table in tables(whole.ledger)}["controls"].frame
    matched, unaligned = (table[table["ablated"] == name].iloc[0] for name in (RANDOM, UNALIGNED))
    gaps = []
    for value in rows:
        draws = [value["gaps"][f"matched/{FIXED}/{n}"][1] for n in range(SETTINGS.control_draws)]
        unedited, _, reference = value["gaps"][f"unaligned/{FIXED}"]
        gaps.append(Gap(unedited, sum(draws) / len(draws), reference, value["floor"]))
    assert tuple(matched[list(COLUMNS)]) == pytest.approx(over_prompts(gaps)[:4])
    assert tuple(unaligned[list(COLUMNS)]) == recovery_of(whole.ledger, f"unaligned/{FIXED}")[:4]
    assert gap_over_draws(rows[0], "nothing") is None


def test_what_is_left_out_is_said():
    gaps = {"direction": [2.0, 1.0, 0.0]}
    rows = {
        "harmful/0000": Row("recovery", "harmful/0000", {"gaps": gaps, "floor": True}),
        "harmful/0001": Row("recovery", "harmful/0001", {"gaps": {"direction": [1.0, 0.5, 0.99]}, "floor": False}),
        "harmful/0002": Row("recovery", "harmful/0002", {}, "failed"),
    }

    class Ledger:
        def read(self, stage):
            judged = {i: Row("direction", i, {"verdict": "complied"}) for i in rows}
            return {"recovery": rows, "direction": judged}.get(stage, {})

    found = {table.name: table for table in tables(Ledger())}["direction"]
    assert found.frame["recovery"].tolist() == [0.5] and found.frame["recovery, n"].tolist() == [1]
    assert "1 prompts are left out" in found.note and "For 1 of 2 prompts" in found.note


def test_without_reference_answers_there_are_neither_rows_nor_columns(tiny, tmp_path):
    runs = Runs(Store(tmp_path / "runs.duckdb"))
    inputs = Inputs(tuple(TEXTS[:6]), ())
    run = runs.create(tiny, inputs, Settings(stages=(1,), tokens=4, k_steps=(2,)))
    work = runs.work(run, tiny)
    work.judge = judge
    run_steps(work)
    assert work.ledger.read("recovery") == {} and runs.facts(run)["reference answers"] == "none"
    assert not [table.name for table in tables(work.ledger) if "recovery" in table.frame]


def test_inputs_keep_their_reference_answers_and_older_ones_have_none(tiny, tmp_path):
    assert Inputs.from_json(INPUTS.to_json()) == INPUTS
    older = json.dumps(json.loads(INPUTS.to_json())[:3])
    assert Inputs.from_json(older) == Inputs(INPUTS.harmful, INPUTS.benign, INPUTS.plain)
    assert Inputs.from_json(older).digest == INPUTS.digest
    runs = Runs(Store(tmp_path / "runs.duckdb"))
    facts = runs.facts(runs.create(tiny, INPUTS, SETTINGS))
    assert facts["reference answers"] == "25 of 32 harmful prompts, by a person"  # one prompt stands twice


def test_a_set_of_no_features_recovers_nothing_and_a_spaced_prompt_finds_its_answer(tiny, tmp_path):
    runs = Runs(Store(tmp_path / "runs.duckdb"))
    inputs = Inputs((f" {TEXTS[0]}",), (), (), (Reference(TEXTS[0], "Bake it.", 0.1),))
    work = runs.work(
        runs.create(tiny, inputs, Settings(stages=(1,), tokens=4, k_steps=(2,), least_tokens=(200,))), tiny
    )
    work.judge = judging(lambda text: "refused")
    run_steps(work)
    (row,) = work.ledger.read("recovery").values()
    assert gap_of(row.value, "least_tokens/200").recovery == 0.0
