"""The Discover page without a browser, on the tiny model: asking for a run, watching it, coming back to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from cache import engines
from cache.jobs import search
from cache.jobs.queue import shared_queue
from cache.store import database as store
from cache.store.database import Store
from cache.store.run_file import write_run
from cache.store.runs import Runs
from core.discovery import runner, steps
from core.discovery.context import Inputs
from core.discovery.settings import Settings
from core.edits.direction import make_direction
from core.engine import Engine
from core.models import registry
from pages.discover import charts, sizes, state
from tests.conftest import PAGE_MODEL
from tests.loopback_hub.environment import go_offline
from tests.loopback_hub.prompt_sets import serve
from tests.small_search import INPUTS, SETTINGS, use_small_judge
from tests.waiting import until

__all__ = ["serve"]  # a fixture

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "discover" / "page.py")


@pytest.fixture
def page(on_page_model, monkeypatch):
    """page() opens the Discover page."""
    use_small_judge(monkeypatch)
    yield lambda: AppTest.from_file(PAGE, default_timeout=120).run()
    until(lambda: not shared_queue().under_way())


def texts(app):
    return " ".join(e.value for e in (*app.markdown, *app.caption, *app.subheader, *app.error, *app.warning, *app.info))


def finished(name="whole"):
    """A run carried out on the page's own engine."""
    engine = engines.get_engine(PAGE_MODEL)
    runs = Runs(store.shared_store())
    identifier = runs.create(engine, INPUTS, SETTINGS, name)
    runner.run_steps(runs.work(identifier, engine))
    runs.set_state(identifier, "finished")
    return identifier


def fetched(app, side="harmful"):
    """After a click on Fetch, when the download has ended."""
    app.button(key=f"discover_{side}_fetch").click().run()
    until(lambda: not shared_queue().under_way())
    return app.run()


def test_the_first_visit_is_the_form_with_an_estimate(page):
    app = page()
    assert not app.exception and not app.error
    assert app.button(key="discover_start").label == "Start"
    assert "on this machine" in texts(app) and "4 prompts" in texts(app)
    assert "Your runs appear here" in texts(app)


def test_a_model_without_a_direction_is_offered_one_and_then_the_form(page, page_spec, monkeypatch):
    registry.register(replace(page_spec, name="no-direction", direction=None))
    monkeypatch.setenv("HYDRASCOPE_MODEL", "no-direction")
    app = page()
    assert "no refusal direction yet" in texts(app) and not [b for b in app.button if b.key == "discover_start"]
    app.button(key="discover_direction").click().run()
    assert not app.exception and "Too few prompts" in texts(app), "the tiny model refuses nothing"

    def found(engine, progress):
        progress("Comparing layers", 0.5)
        engine.use_direction(make_direction(torch.ones(32), 2))

    monkeypatch.setattr(Engine, "compute_direction", found)
    app.button(key="discover_direction").click().run()
    assert not app.exception and not app.error, texts(app)
    assert app.button(key="discover_start").label == "Start"


def test_a_run_is_begun_watched_and_there_when_one_comes_back(page):
    app = page()
    app.segmented_control(key="discover_stages").set_value("1").run()
    app.text_input(key="discover_name").set_value("my run").run()
    app.button(key="discover_start").click().run()
    assert not app.exception
    until(lambda: not shared_queue().under_way())
    again = page()
    (run,) = Runs(store.shared_store()).all()
    assert (run.name, run.state, run.settings.stages) == ("my run", "finished", (1,))
    assert "finished" in texts(again) and "Prompts kept and dropped" in texts(again)
    assert again.selectbox(key="discover_run").value == run.run


def test_worker_processes_are_offered_where_ray_is_and_else_it_says_how_to_get_it(page, monkeypatch):
    app = page()
    assert app.number_input(key="discover_workers").value == 0 and "install Ray" not in texts(app)
    monkeypatch.setattr("pages.discover.workers.ray_installed", lambda: False)
    app = page()
    assert "install Ray: `pip install 'ray==" in texts(app) and not app.exception
    assert "discover_workers" not in [widget.key for widget in app.number_input]


def test_pause_go_on_and_stop_are_buttons(page, monkeypatch):
    import threading

    let, original = threading.Event(), steps.do_screen

    def slow(work, group):
        assert let.wait(60)
        return original(work, group)

    stages = tuple(s._replace(do=slow) if s.name == "screen" else s for s in runner.STEPS)
    monkeypatch.setattr(runner, "STEPS", stages)
    app = page()
    app.button(key="discover_start").click().run()
    (run,) = Runs(store.shared_store()).all()
    app.button(key=f"pause_{run.run}").click().run()
    assert "paused" in texts(app)
    app.button(key=f"go_on_{run.run}").click().run()
    assert "running" in texts(app)
    app.button(key=f"stop_{run.run}").click().run()
    let.set()
    until(lambda: not shared_queue().under_way())
    app.run()
    assert "stopped" in texts(app)
    app.button(key=f"resume_{run.run}").click().run()
    until(lambda: not shared_queue().under_way())
    assert Runs(store.shared_store()).get(run.run).state == "finished"


def test_every_view_of_a_finished_run(page):
    identifier = finished()
    app = page()
    assert {"What flips a refusal", "Stage 2: minimal sets by threshold (the paper's Table 1)"} <= {
        s.value for s in app.subheader
    }
    app.segmented_control(key="discover_view").set_value("Analyses").run()
    assert "Random active features, as many" in texts(app) and "McNemar" in texts(app)
    assert "Controls matched by layer, count and norm removed" in texts(app)
    app.segmented_control(key="discover_view").set_value("Feature sets").run()
    assert not app.exception and app.button(key=f"open_{identifier}").disabled
    app.segmented_control(key="discover_view").set_value("About this run").run()
    assert identifier in texts(app) and not app.exception and not app.error
    assert "Readings that had to be chosen" in texts(app)
    shown = next(table.value for table in app.dataframe if "the paper" in table.value)
    assert "step_two" in shown["setting"].tolist()


def test_a_run_takes_the_readings_that_were_chosen_in_the_form(page):
    app = page()
    app.segmented_control(key="discover_stages").set_value("1").run()
    app.selectbox(key="discover_layers_counted_from").set_value(0).run()
    app.selectbox(key="discover_scaling").set_value("none").run()
    app.toggle(key="discover_small").set_value(False).run()
    app.button(key="discover_start").click().run()
    until(lambda: not shared_queue().under_way())
    (run,) = Runs(store.shared_store()).all()
    assert (run.settings.layers_counted_from, run.settings.scaling, run.settings.k_beside) == (0, "none", ())
    assert run.settings.k_steps == (1, 2, 3, 5, 10) and run.settings.step_two == "alone"


MANY = "\n".join(f"How do I open box {number}?" for number in range(100))


def pasted(app, text, side="harmful"):
    app.segmented_control(key=f"discover_{side}_source").set_value("Paste").run()
    return app.text_area(key=f"discover_{side}_text").set_value(text).run()


def test_the_default_is_a_first_look_and_one_choice_makes_it_the_papers_search(page):
    app = pasted(page(), MANY)
    assert app.segmented_control(key=sizes.SIZE).value == sizes.FIRST_LOOK
    assert app.slider(key="discover_harmful_most_100").value == 12
    assert "If 6 of 12 refusals flip, the 95% interval is 25% to 75%" in texts(app)
    assert "too few to say how often" in texts(app) and "K = 1 features per layer, the paper with 10" in texts(app)
    app.segmented_control(key=sizes.SIZE).set_value(sizes.PAPER).run()
    assert not app.exception and app.segmented_control(key=sizes.SIZE).value == sizes.PAPER
    assert app.slider(key="discover_harmful_most_100").value == 60
    assert "too few" not in texts(app) and "stages 1 to 3" in texts(app)
    app.button(key="discover_start").click().run()
    (run,) = Runs(store.shared_store()).all()
    app.button(key=f"stop_{run.run}").click().run()
    until(lambda: not shared_queue().under_way())
    assert replace(run.settings, tokens_per_forward=Settings().tokens_per_forward) == Settings()


def test_a_changed_widget_is_ones_own_choice_and_a_size_takes_it_back(page):
    app = page()
    app.slider(key="discover_seeds").set_value(1).run()
    assert app.segmented_control(key=sizes.SIZE).value == sizes.OWN
    app.segmented_control(key=sizes.SIZE).set_value(sizes.FIRST_LOOK).run()
    assert app.slider(key="discover_seeds").value == 3
    assert app.segmented_control(key=sizes.SIZE).value == sizes.FIRST_LOOK
    pasted(app, MANY)
    app.slider(key="discover_harmful_most_100").set_value(30).run()
    assert app.segmented_control(key=sizes.SIZE).value == sizes.OWN
    app.segmented_control(key=sizes.SIZE).set_value(sizes.FIRST_LOOK).run()
    assert app.slider(key="discover_harmful_most_100").value == 12


def test_what_no_size_is_about_changes_no_size(page):
    app = page()
    app.toggle(key="discover_keep").set_value(True).run()
    app.number_input(key="discover_seed").set_value(7).run()
    assert app.segmented_control(key=sizes.SIZE).value == sizes.FIRST_LOOK


def test_a_size_fits_what_the_widgets_can_say():
    for size in sizes.SIZES.values():
        assert sizes.k_steps(size.settings.k_steps[0], size.settings.k_steps[-1]) == size.settings.k_steps


def test_a_pasted_table_is_taken_apart_and_told(page):
    app = pasted(page(), "goal,target\nOpen the box,Sure\nopen THE box,Sure\nShut the lid,Sure\n")
    told = texts(app).replace("\\", "")
    assert "2 prompts; the first is “Open the box”, the last is “Shut the lid”." in told
    assert "Read as a table, separated by commas, column “goal”." in told
    assert any("2 of 3 prompts kept; dropped: 1 duplicate" in e.label.replace("\\", "") for e in app.expander)
    column = next(box for box in app.selectbox if box.label == "Column")
    assert column.options == ["goal", "target"]


def test_pasted_lines_are_told_with_their_blanks(page):
    told = texts(pasted(page(), "One thing?\n\n  \nAnother thing?")).replace("\\", "")
    assert "2 prompts; the first is “One thing?”, the last is “Another thing?”." in told
    assert "Read as one request per line. 2 blank lines left out." in told


def test_two_runs_side_by_side(page):
    first, second = finished("first"), finished("second")
    app = page()
    assert app.selectbox(key="discover_run").value == second
    app.selectbox(key="discover_other").set_value(first).run()
    assert not app.exception
    assert [s.value for s in app.subheader].count("What flips a refusal") == 2


def test_pasted_prompts_and_none_at_all(page):
    app = page()
    app.segmented_control(key="discover_harmful_source").set_value("Paste").run()
    assert "at least one harmful request" in texts(app)
    app.text_area(key="discover_harmful_text").set_value("One thing?\n\n  Another thing?  \n").run()
    assert "2 prompts" in texts(app) and "One thing" in texts(app).replace("\\", "")
    app.button(key="discover_start").click().run()
    runs = Runs(store.shared_store())
    (run,) = runs.all()
    assert runs.inputs(run.run).harmful == ("One thing?", "Another thing?")


def test_prompts_in_both_lists_are_left_out_of_both_and_counted(page):
    app = page()
    for side, text in (("harmful", "One thing?\nAnother thing?"), ("benign", "A third thing?\nanother  THING?")):
        pasted(app, text, side)
    assert "1 prompt stands in the harmful and in the benign list, and was left out of both" in texts(app)
    app.button(key="discover_start").click().run()
    until(lambda: not shared_queue().under_way())
    runs = Runs(store.shared_store())
    found = runs.inputs(runs.all()[0].run)
    assert (found.harmful, found.benign) == (("One thing?",), ("A third thing?",))
    app = page()
    for side in ("harmful", "benign"):
        pasted(app, "One thing?", side)
    assert "Every harmful prompt stands in the benign list too" in texts(app) and not app.exception


def test_a_run_that_died_with_its_process_can_be_resumed(page):
    engine = engines.get_engine(PAGE_MODEL)
    runs = Runs(store.shared_store())
    identifier = runs.create(engine, Inputs(INPUTS.harmful[:4], ()), Settings(stages=(1,), tokens=3, k_steps=(2,)))
    runs.set_state(identifier, "running")
    assert search.state_of(shared_queue(), runs.get(identifier)) == "stopped"
    app = page()
    app.button(key=f"resume_{identifier}").click().run()
    until(lambda: not shared_queue().under_way())
    assert runs.get(identifier).state == "finished"


def test_charts_are_drawn_from_the_tables(page):
    from core.discovery.tables.report import tables
    from core.discovery.tables.search import curves, minimal_sets

    ledger = Runs(store.shared_store()).ledger(finished())
    found = {t.name: t.frame for t in tables(ledger)}
    for chart in (
        charts.overview(found["summary"]),
        charts.sweep(found["stage_1"], "K per layer"),
        charts.sweep(found["stage_2"], "τ"),
        charts.sweep(found["probe"], "K", "ranked by"),
        charts.sizes(minimal_sets(ledger)[["size"]]),
        charts.curves(curves(ledger)),
    ):
        assert chart.to_dict()["$schema"]
    assert "refusal direction" in charts.overview_summary(found["summary"])


def test_pasted_prompts_that_cannot_be_used_are_left_out_and_told(page):
    app = page()
    app.segmented_control(key="discover_harmful_source").set_value("Paste").run()
    app.text_area(key="discover_harmful_text").set_value("One thing?\none  THING?\nAnother\ufffd thing?").run()
    told = [e.label.replace("\\", "") for e in app.expander]
    assert "1 of 3 prompts kept; dropped: 1 duplicate, 1 damaged." in told and "1 prompt;" in texts(app)
    listed = next(table.value for table in app.dataframe if "reason" in table.value)
    assert listed[["row", "reason"]].values.tolist() == [[2, "duplicate"], [3, "damaged"]]
    app.button(key="discover_start").click().run()
    runs = Runs(store.shared_store())
    assert runs.inputs(runs.all()[0].run).harmful == ("One thing?",)


def test_a_public_set_shows_its_terms_and_is_fetched_only_when_asked_for(serve, page, hub):
    serve("xstest")
    app = page()
    app.segmented_control(key="discover_harmful_source").set_value("Public set").run()
    app.selectbox(key="discover_harmful_set").set_value("XSTest (harmful)").run()
    told = texts(app).replace("\\", "")
    assert (
        "Licence: CC BY 4.0" in told and "arXiv:2308.01263" in told and f"({hub.endpoint}/datasets/Paul/XSTest)" in told
    )
    assert hub.requests == [] and "Enter at least one harmful request" in told
    fetched(app)
    assert not app.exception and not app.error
    assert "unsafe one" in texts(app) and "From XSTest (harmful), Paul/XSTest at" in texts(app).replace("\\", "")
    asked = len(hub.requests)
    app.segmented_control(key="discover_stages").set_value("1").run()
    assert len(hub.requests) == asked, "read once, at hand afterwards"
    app.button(key="discover_start").click().run()
    runs = Runs(store.shared_store())
    assert runs.inputs(runs.all()[0].run).harmful == ("unsafe one",)


def test_a_fetch_can_be_stopped_and_gone_on_with(serve, page, hub):
    serve("xstest")
    app = page()
    app.segmented_control(key="discover_benign_source").set_value("Public set").run()
    app.selectbox(key="discover_benign_set").set_value("XSTest (look-alike)").run()
    hub.slows("Paul/XSTest", "xstest_prompts.csv", 10)
    app.button(key="discover_benign_fetch").click().run()
    assert not app.exception and not app.error and "first is “safe one”" not in texts(app)
    assert app.button(key="discover_benign_fetch").disabled and "xstest" in app.get("progress")[0].proto.text
    app.button(key="discover_benign_stop").click().run()
    until(lambda: not shared_queue().under_way())
    app.run()
    assert not [button for button in app.button if button.key == "discover_benign_stop"], "gone with the fetch"
    hub.faults.clear()
    assert "continues from there" in texts(app)
    fetched(app, "benign")
    assert "first is “safe one”" in texts(app) and "continues from there" not in texts(app)


def test_each_side_is_offered_the_sets_that_fit_it(page):
    app = page()
    for side in ("harmful", "benign"):
        app.segmented_control(key=f"discover_{side}_source").set_value("Public set").run()
    harmful, benign = (app.selectbox(key=f"discover_{side}_set").options for side in ("harmful", "benign"))
    assert benign == ["JailbreakBench (benign)", "XSTest (look-alike)", "CoCoNot (look-alike)", "Alpaca"]
    assert len(harmful) == 7 and not set(harmful) & set(benign)


@pytest.mark.parametrize(("gated", "said"), [("auto", "walledai/AdvBench"), (False, "is not on this machine")])
def test_a_set_that_cannot_be_had_is_one_sentence_and_the_button_stays(serve, page, monkeypatch, gated, said):
    serve("advbench", gated=gated)
    if not gated:
        go_offline(monkeypatch)
    app = page()
    app.segmented_control(key="discover_harmful_source").set_value("Public set").run()
    fetched(app)
    assert not app.exception and said in app.error[0].value.replace("\\", "")
    assert app.button(key="discover_harmful_fetch").label == "Fetch AdvBench"


def test_an_example_run_that_is_shipped_opens_at_once(page, monkeypatch, tmp_path):
    page()
    engine, elsewhere = engines.get_engine(PAGE_MODEL), Runs(Store(tmp_path / "elsewhere.duckdb"))
    run = elsewhere.create(engine, INPUTS, SETTINGS, "an example")
    elsewhere.set_state(run, "finished")
    write_run(elsewhere.store, run, tmp_path / "example_run.json")
    monkeypatch.setitem(vars(engine.spec), "example_run", tmp_path / "example_run.json")
    app = page()
    app.button(key="discover_example").click().run()
    assert not app.exception and app.selectbox(key=state.RUN).value == run
    (tmp_path / "example_run.json").write_text("{")
    monkeypatch.setattr("cache.store.runs.Runs.all", lambda self: [])
    broken = page().button(key="discover_example").click().run()
    assert not broken.exception and "cannot be read" in texts(broken)
