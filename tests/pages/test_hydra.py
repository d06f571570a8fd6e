"""The Hydra page without a browser, on the tiny model: every view, a run's set, and trouble.

The tour is in `test_tour.py`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import engines
from cache.store import database as store
from cache.store.runs import Runs
from core import Edits, Feature
from core.discovery import runner
from core.hydra import Repair, hold_parts, matters, refresh, self_repair
from pages.hydra import charts, repair, repair_charts, state, work
from pages.shared.text import plain, signed
from pages.shared.workspace.state import with_words
from pages.shared.workspace.undo import History
from tests.conftest import PAGE_MODEL, opened, workspace
from tests.small_search import INPUTS, SETTINGS, use_small_judge

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "hydra" / "page.py")
EDITS = ",".join(f"{layer}-{index}" for layer in (1, 2) for index in range(24))


@pytest.fixture
def page(on_page_model, monkeypatch):
    """page(**parameters) opens the Hydra page."""
    use_small_judge(monkeypatch)

    return lambda **parameters: checked(opened(PAGE, **parameters))


def tables(app: AppTest) -> list:
    """The tables of the view, without that of the prompt's features on the left."""
    return [table for table in app.dataframe if not str(table.key).startswith("features_")]


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    assert not app.error, [error.value for error in app.error]
    return app


def view(app: AppTest, name: str) -> AppTest:
    return checked(app.segmented_control(key=state.VIEW).set_value(name).run())


def texts(app: AppTest) -> str:
    return " ".join(e.value for e in (*app.markdown, *app.caption, *app.subheader, *app.info))


def test_without_an_edit_it_says_what_to_do(page):
    app = page()
    assert "No edits are on" in texts(app)
    assert app.button(key="hydra_tour_begin").label == "One-minute tour"


def test_a_link_opens_the_view_it_names(page):
    app = view(page(edits="1-0"), state.DOSE)
    assert app.query_params["view"] == state.DOSE and workspace(app).settings.view == state.DOSE
    assert page(edits="1-0", view=state.DOSE).segmented_control(key=state.VIEW).value == state.DOSE
    assert page(edits="1-0", view="nonsense").segmented_control(key=state.VIEW).value == state.VIEWS[0]
    assert "view" not in view(app, state.VIEWS[0]).query_params


def test_self_repair_is_the_first_view_and_says_what_the_engine_says(page):
    app = page(edits="1-0,1-1,1-2,1-3,1-4,1-5")
    assert app.segmented_control(key=state.VIEW).value == state.REPAIR == state.VIEWS[0]
    engine, edits = engines.get_engine(PAGE_MODEL), Edits.ablate([Feature(1, n) for n in range(6)])
    for strength in (1.0, 0.5):
        (found,) = self_repair(engine, workspace(app).prompt, [edits.at_strength(strength)])
        assert f"**{repair_charts.headline(found)}** {repair_charts.norm_sentence(found)}" in texts(app)
        assert {m.label: m.value for m in app.metric}["Total"] == signed(found.total)
        held = hold_parts(engine, workspace(app).prompt, edits.at_strength(strength), found.restoring(4))
        expected = repair.held_frame(held)[["run", "p", "score", "change"]]
        assert tables(app)[0].value[list(expected)].equals(expected)
        assert "Random control" in texts(app) and len(app.get("vega_lite_chart")) >= 1
        app = checked(app.segmented_control(key=state.REPAIR_STRENGTH).set_value(0.5).run())


def test_an_edit_of_the_last_layer_leaves_nothing_to_repair(page):
    app = page(edits="3-0,3-1,3-2")
    assert "No block is above it" in texts(app) and "Cut the repairers" not in texts(app)


def test_the_direction_has_no_random_control(page):
    assert "random directions in the refusal direction’s place" in texts(page(edits="direction"))


def test_the_map_says_what_the_engine_says(page):
    app = view(page(edits=EDITS), state.MAP)
    engine = engines.get_engine(PAGE_MODEL)
    found = refresh(engine, workspace(app).prompt, Edits.from_text(EDITS))
    woken = len(found.marks.drop_duplicates(["layer", "index"]))
    assert woken and f"{woken} feature" in texts(app)
    everyone, without_bos = (work.strongest_woken(found, with_bos, woken) for with_bos in (True, False))
    only = found.woken[found.woken["bos_only"]]
    assert len(everyone) == woken and len(without_bos) == woken - len(only)
    assert set(without_bos) == set(everyone) - {Feature(int(a), int(b)) for a, b in only[["layer", "index"]].to_numpy()}
    table = tables(app)[0].value
    assert len(table) == woken and set(table["feature"]) == {
        f"{a}-{b}" for a, b in found.marks[["layer", "index"]].drop_duplicates().to_numpy()
    }
    assert "How far below their thresholds the features were" in texts(app)


def test_the_bos_view_needs_no_prompt(page):
    app = view(page(edits=EDITS), state.MAP)
    checked(app.segmented_control(key=state.ONLY_BOS).set_value(state.BOS).run())
    assert "sees no other token" in texts(app)
    other = view(page(edits=EDITS, prompt="Another prompt altogether, somewhat longer than the first."), state.MAP)
    checked(other.segmented_control(key=state.ONLY_BOS).set_value(state.BOS).run())
    assert tables(app)[0].value.equals(tables(other)[0].value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (state.WHO, "What each feature contributes"),
        (state.MATTER, "ablated too"),
        (state.DOSE, "the edits as they are"),
    ],
)
def test_every_other_view(page, name, said):
    app = view(page(edits=EDITS), name)
    assert said in texts(app)
    assert len(app.get("vega_lite_chart")) >= 1


def test_heads_are_cut_round_by_round_and_a_rounds_set_can_be_taken(page):
    app = view(page(edits="1-0,1-1,2-0"), state.HEADS)
    app.button(key="hydra_cut").click()
    app = checked(app.run())
    rounds = tables(app)[0].value
    assert rounds["round"].tolist() == list(range(1, len(rounds) + 1))
    assert rounds["features"].is_monotonic_increasing
    again = checked(app.run())
    assert tables(again)[0].value.equals(rounds)
    (take,) = (button for button in again.button if str(button.key).startswith("hydra_take_"))
    app = checked(take.click().run())
    assert len(workspace(app).words_on) == rounds["features"].iloc[-1]


def test_rounds_that_were_broken_off_say_so_and_go_on(page, monkeypatch):
    """As after a reload: the rounds stay with the process, and who had begun them with the session."""
    edits, whole, most = "1-0,1-1,2-0", work.play, [1]

    def play(*asked):
        one = replace(next(iter(whole(*asked))), ended=None)
        return islice([one, replace(one, number=2, ended="rounds spent")], most[0])

    monkeypatch.setattr(work, "play", play)
    app = view(page(edits=edits), state.HEADS)
    app.button(key="hydra_cut").click()
    checked(app.run())
    most[0] = 2
    app = view(page(edits=edits), state.HEADS)
    assert "Broken off after 1 round" in app.warning[0].value and app.button(key="hydra_cut").label == "Continue"
    app = checked(app.button(key="hydra_cut").click().run())
    assert not app.warning and tables(app)[0].value["round"].tolist() == [1, 2]
    assert "hydra_cut" not in [button.key for button in app.button] and "Ended: " in texts(app)


def test_a_runs_minimal_set_can_be_taken(page):
    page()
    engine = engines.get_engine(PAGE_MODEL)
    runs = Runs(store.shared_store())
    identifier = runs.create(engine, INPUTS, SETTINGS, "a run")
    runner.run_steps(runs.work(identifier, engine))
    app = page()
    item = app.selectbox(key=f"hydra_item_{identifier}").value
    app = checked(app.button(key="hydra_take_run").click().run())
    minimal = runs.work(identifier, engine).minimal(item)
    assert workspace(app).words_on == tuple(str(feature) for feature in minimal)
    assert workspace(app).prompt == INPUTS.harmful[int(item.partition("/")[2])]


def test_only_the_direction_in_the_set_has_no_features_to_leave_out(page):
    app = view(page(edits="direction"), state.WHO)
    assert "the edits contain no features" in texts(app)


def test_an_edit_the_model_lacks_is_a_sentence(page):
    app = page()
    app.session_state["workspace"] = History(with_words(workspace(app), ["9-9", "2-3"]))
    app.run()
    assert not app.exception and any("Layer 9 has no SAE" in info.value for info in app.info)
    assert workspace(app).words == ("2-3",)


def test_marks_are_joined_cell_by_cell():
    marks = pd.DataFrame({"layer": [1, 1, 2], "index": [5, 6, 7], "position": [0, 0, 3], "activation": [1.0, 3.0, 2.0]})
    found = charts.cells(marks, charts.WOKEN, lambda layer, index: f"about {index}")
    assert found["features"].tolist() == [2, 1] and found["activation"].tolist() == [4.0, 2.0]
    assert found["strongest"][0].startswith("1-6 about 6; 1-5")


def repaired(**changes):
    """A measurement of four blocks above layer 0, by its numbers."""
    blocks = pd.DataFrame({"layer": range(5), "response": 0.0, "cumulative": 0.0, "attention": 0.0, "mlp": 0.0})
    made = {"blocks": blocks, "direct": 0.0, "lowest": 0, "deepest": -2.6, "deepest_layer": 2, "put_back": 0.84}
    return SimpleNamespace(**made | changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Blocks 1–2 lower the refusal logit by 2.6; blocks 3–4 put back 84%."),
        ({"deepest_layer": 1}, "Block 1 lowers the refusal logit by 2.6; blocks 2–4 put back 84%."),
        ({"deepest_layer": 3}, "Blocks 1–3 lower the refusal logit by 2.6; block 4 puts back 84%."),
        ({"deepest_layer": 4}, "Blocks 1–4 lower the refusal logit by 2.6. No block puts anything back."),
        ({"deepest_layer": 0}, "The edit itself lowers the refusal logit by 2.6; blocks 1–4 put back 84%."),
        (
            {"direct": -1.0},
            "Blocks 1–2 and the edit itself (direct effect −1.00) lower the refusal logit by 2.6; blocks",
        ),
        ({"deepest": -0.05}, "there is nothing to put back"),
        ({"lowest": 4}, "No block is above it"),
    ],
)
def test_the_headline_says_who_lowers_and_who_puts_back(changes, said):
    assert said in repair_charts.headline(repaired(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"removes": False}, "are silent on this prompt wherever the edits act"),
        ({"controls": ()}, "There is no random control."),
        ({}, "is −2.00 on average over 2 draws (−3.00 to −1.00); put back is 35%"),
        ({}, "2 of 3 draws remove as much of the residual stream as the edits where these act, within 5%"),
        ({}, "Only 2 of 3 draws are different, so n is 2."),
        ({"about": "3 draws: random directions."}, f"Drawn: {plain('3 draws: random directions.')}"),
    ],
)
def test_the_control_is_told_with_its_n(changes, said):
    drawn = [SimpleNamespace(deepest=-fall, put_back=back) for fall, back in ((1.0, 0.2), (3.0, 0.5), (1.0, 0.2))]
    found = Repair(None, tuple(drawn), 2, True)._replace(**changes)
    sentence = repair_charts.control_sentence(found)
    assert said in sentence and ("about" not in changes or "remove as much" not in sentence)


def test_equal_draws_that_lower_nothing_count_once_too():
    drawn = [SimpleNamespace(deepest=-0.01, put_back=float("nan")) for _ in range(3)]
    sentence = repair_charts.control_sentence(Repair(None, tuple(drawn), 3, True))
    assert "on average over 1 draw " in sentence and "Only 1 of 3 draws is different, so n is 1." in sentence


def test_a_click_on_a_woken_feature_says_whether_it_matters(page):
    app = page(edits=EDITS)
    checked(app.segmented_control(key=state.VIEW).set_value(state.MAP).run())
    name = tables(app)[0].value["feature"].iloc[0]
    key = str(tables(app)[0].key)
    app.session_state[key] = {"selection": {"rows": [], "columns": [], "cells": [(0, "feature")]}}
    checked(app.run())
    engine = engines.get_engine(PAGE_MODEL)
    prompt, edits = workspace(app).prompt, Edits.from_text(EDITS)
    (row,) = matters(engine, prompt, edits, {name: [Feature.parse(name)]}).itertuples()
    (said,) = (markdown.value for markdown in app.markdown if "ablating it as well" in markdown.value)
    assert (
        said.startswith(f"**{name}**")
        and signed(row.with_group) in said
        and signed(row.control_low - row.score) in said
    )
    within = row.control_low - row.score <= row.difference <= row.control_high - row.score
    assert ("does not matter more than any other" in said) == within
    checked(app.button(key="hydra_one_add").click().run())
    assert workspace(app).words[-1] == name
