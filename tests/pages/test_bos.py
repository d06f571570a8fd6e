"""The BOS page without a browser, on the tiny model: choosing, clamping, answers, an evaluation, and trouble."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import engines
from cache.jobs.queue import shared_queue
from cache.store import database as store
from cache.store.defences import Defences
from cache.store.runs import Runs
from core import Edits, Feature
from core.defence import long_table, natural_ranges
from core.discovery.ledger import Row
from core.edits.feature_sets import top_per_layer
from core.hydra import bos_view
from pages.bos import answers, charts, choose, effect, link, results, state, work
from pages.shared.text import escaped
from tests.conftest import PAGE_MODEL, opened, workspace
from tests.small_search import INPUTS, SETTINGS
from tests.waiting import until

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "bos" / "page.py")
EDITS = ",".join(f"{layer}-{index}" for layer in (1, 2) for index in range(24))


@pytest.fixture
def page(on_page_model):
    """page(**parameters) opens the BOS page in a cache folder of its own."""

    return lambda **parameters: checked(opened(PAGE, **parameters))


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    assert not app.error, [error.value for error in app.error]
    return app


def texts(app: AppTest) -> str:
    return " ".join(e.value for e in (*app.markdown, *app.caption, *app.subheader, *app.info))


def clamped(app: AppTest) -> list[str]:
    """The features that are clamped."""
    off = app.session_state[state.OFF]
    known = state.KNOWN if state.KNOWN in app.session_state else state.SUGGESTED
    return [name for name in app.session_state[known] if name not in off]


def by_hand(app: AppTest, typed: str) -> AppTest:
    checked(app.segmented_control(key=choose.SOURCE).set_value(choose.HAND).run())
    return app.text_input(key=choose.TYPED).set_value(typed).run()


def grid(app: AppTest) -> str:
    return next(element.value for element in app.html if "hs-grid" in element.value)


def test_opened_bare_it_clamps_the_features_nearest_the_direction_within_their_natural_range(page):
    app = page()
    engine = engines.get_engine(PAGE_MODEL)
    nearest = top_per_layer(engine.alignment(), 1)
    assert state.KNOWN not in app.session_state and app.session_state[state.SUGGESTED] == tuple(map(str, nearest))
    natural = work.natural(natural_ranges(engine, nearest, work.range_prompts(engine)))
    assert app.number_input(key=state.VALUE).value == natural.usual
    assert app.slider(key=state.SLIDER).max == natural.end
    assert "Clamped at" in texts(app) and "answers" in texts(app) and "evaluations appear here" in texts(app)
    checked(app.button(key="bos_clear").click().run())
    assert "No features are clamped" in texts(app) and "Choose features to clamp" in texts(app)
    checked(app.button(key="bos_take").click().run())
    assert clamped(app) == list(map(str, nearest))


def test_another_source_s_features_are_clamped_at_once_until_some_are_chosen(page):
    app = page(edits="1-3,2-4")
    checked(app.segmented_control(key=choose.SOURCE).set_value(choose.ACTIVE).run())
    assert "2 of 2 features clamped" in texts(app)
    checked(by_hand(app, "2-5"))
    checked(app.segmented_control(key=choose.SOURCE).set_value(choose.ACTIVE).run())
    assert "1 of 1 feature clamped" in texts(app), "what was chosen stays until something else is chosen"


def test_what_no_clamp_changes_is_said_with_the_largest_value_tried():
    known = {("p", value): ("Hello", "complied") for value in (None, 0.0, 5.0, 30.0)}
    said = effect.sentence(["p"], [None, 0.0, 5.0, 30.0], 5.0, [1.0, 1.0, 1.1, 1.2], known)
    assert "+1.00** to **+1.10" in said and "up to 30, moves it by more than 0.20" in said
    assert "changes none of 1 answer" in said and "30, the largest tried" in said
    known["p", 30.0] = ("No.", "complied")
    assert "smallest of the values tried that changes one is 30" in effect.sentence(
        ["p"], [None, 0.0, 5.0, 30.0], 5.0, [1.0, 1.0, 1.1, 9.0], known
    )
    known["p", 5.0] = ("I'm sorry", "refused")
    said = effect.sentence(["p"], [None, 0.0, 5.0, 30.0], 5.0, [1.0, 1.0, 1.1, 9.0], known)
    assert "1 of 1 answer changed**: 1 became a refusal" in said and "furthest at 30" in said


@pytest.mark.parametrize(
    ("bos", "highest", "woken", "expected"),
    [
        ([1283.3, 6.0], [3.0, 47.0], [], (1300.0, 650.0, 3900.0)),
        ([0.0], [12.3], [90.4], (90.0, 45.0, 270.0)),
        ([0.0], [12.3], [], (12.0, 6.0, 36.0)),
        ([np.nan], [np.nan], [], (4.0, 2.0, 12.0)),
    ],
)
def test_the_natural_size_of_a_clamp(bos, highest, woken, expected):
    found = work.natural(pd.DataFrame({"bos": bos, "highest": highest}), woken)
    assert (found.highest, found.usual, found.end) == expected


def test_what_wakes_at_bos_is_what_the_engine_says_most_aligned_first(page):
    app = page(edits=EDITS)
    engine = engines.get_engine(PAGE_MODEL)
    woken = bos_view(engine, Edits.from_text(EDITS)).woken
    assert len(woken) > 3
    checked(app.number_input(key=choose.MOST).set_value(3).run())
    nearest = woken.sort_values("cosine", ascending=False).head(3)
    assert clamped(app) == [f"{a}-{b}" for a, b in nearest[["layer", "index"]].to_numpy()]
    checked(app.segmented_control(key=choose.RANK).set_value(choose.STRONGEST).run())
    assert clamped(app) == [f"{a}-{b}" for a, b in woken.head(3)[["layer", "index"]].to_numpy()]


def test_every_answer_and_score_is_the_engine_s_own(page):
    app = checked(by_hand(page(prompt="Tell me a story."), "2-5, 3-7"))
    engine = engines.get_engine(PAGE_MODEL)
    app.number_input(key=state.VALUE).set_value(4.0).run()
    app.text_area(key=answers.PROMPTS).set_value("Tell me a story.\n\nI cannot <b>help</b>?").run()
    checked(app.text_input(key=answers.VALUES).set_value("2 8").run())
    shown = grid(app)
    assert shown.count("<td>") == 2 * 4  # none, 2, 4 (the value held), 8
    assert "<b>help</b>" not in shown and "&lt;b&gt;help&lt;/b&gt;" in shown
    features = [Feature(2, 5), Feature(3, 7)]
    for edits in (Edits(), *(Edits.clamp(features, value, "bos") for value in (2.0, 4.0, 8.0))):
        ((said,),) = engine.answers(["Tell me a story."], [edits], answers.LENGTHS[0])
        assert engine.verdict("Tell me a story.", said) in shown
        assert escaped(said.strip()) in shown
    clamp = state.Clamp(tuple(features))
    frame = work.scores(engine, "anything", ("Tell me a story.",), clamp, (3.3,))
    measured = engine.measure(["Tell me a story."], [Edits(), clamp.at(3.3)]).refusal_score[0]
    row = frame[frame["value"] == 3.3].iloc[0]
    np.testing.assert_allclose([row["unclamped"], row["score"]], measured, rtol=1e-5)


def test_features_come_off_and_the_active_set_can_be_taken(page):
    app = page(edits="1-3,2-4=5@bos")
    checked(app.segmented_control(key=choose.SOURCE).set_value(choose.ACTIVE).run())
    assert clamped(app) == ["1-3", "2-4"]
    checked(app.button_group(key=state.CHIPS).set_value(["2-4"]).run())
    assert "1 of 2 features clamped" in texts(app)
    checked(app.button(key="bos_clear").click().run())
    assert "No features are clamped" in texts(app)


def test_a_slider_and_a_number_are_one_value(page):
    app = checked(by_hand(page(), "2-5"))
    end = app.slider(key=state.SLIDER).max
    checked(app.slider(key=state.SLIDER).set_value(end / 4).run())
    assert app.number_input(key=state.VALUE).value == end / 4
    checked(app.number_input(key=state.VALUE).set_value(2 * end).run())
    assert app.slider(key=state.SLIDER).value == end
    assert f"<th scope='col' class=hs-chosen>{2 * end:g}</th>" in grid(app)
    checked(by_hand(app, "3-7"))
    assert app.number_input(key=state.VALUE).value == 2 * end, "what a person typed stays with other features"


def test_a_clamp_goes_onto_the_active_set(page):
    app = checked(by_hand(page(edits="1-3"), "2-5"))
    app.number_input(key=state.VALUE).set_value(4.0).run()
    checked(app.button(key="bos_to_active").click().run())
    assert workspace(app).words == ("1-3", "2-5=4.0@bos")


def test_a_condition_says_what_it_does_and_one_too_high_is_refused_in_a_sentence(page):
    app = checked(by_hand(page(), "2-5"))
    app.number_input(key=state.VALUE).set_value(4.0).run()
    app.toggle(key=state.CONDITIONAL).set_value(True).run()
    app.text_input(key=state.SENSOR).set_value("1-7").run()
    assert "BOS sees no part of the prompt" in texts(checked(app))
    checked(app.selectbox(key=state.POSITIONS).set_value("instruction").run())
    assert "changes nothing on prompts where the sensor stays silent" in texts(app)
    checked(app.button(key="bos_to_active").click().run())
    assert workspace(app).words == ("2-5=4.0@instruction?1-7>1.0",)
    app.text_input(key=state.SENSOR).set_value("3-7").run()
    assert not app.exception and "higher layer" in app.error[0].value
    assert "Choose features above" in texts(app) or "evaluations appear here" in texts(app)


def test_a_link_restores_the_clamp_and_what_is_suggested_is_no_part_of_it(page):
    app = page()
    assert workspace(app).settings.clamp == "" and "clamp" not in app.query_params
    checked(by_hand(app, "2-5, 3-7"))
    app.number_input(key=state.VALUE).set_value(4.0).run()
    app.selectbox(key=state.POSITIONS).set_value("instruction").run()
    app.toggle(key=state.CONDITIONAL).set_value(True).run()
    checked(app.text_input(key=state.SENSOR).set_value("1-7").run())
    link = str(app.query_params["clamp"])
    assert link == workspace(app).settings.clamp == "2-5=4.0@instruction?1-7>1.0,3-7=4.0@instruction?1-7>1.0"
    other = page(clamp=link)
    assert clamped(other) == ["2-5", "3-7"]
    assert other.number_input(key=state.VALUE).value == 4.0
    assert other.selectbox(key=state.POSITIONS).value == "instruction"
    assert other.text_input(key=state.SENSOR).value == "1-7" and other.toggle(key=state.CONDITIONAL).value
    assert str(other.query_params["clamp"]) == link
    # Back, to before anything was chosen.
    del other.query_params["clamp"]
    checked(other.run())
    assert clamped(other) == clamped(page()) and not other.toggle(key=state.CONDITIONAL).value
    assert other.selectbox(key=state.POSITIONS).value == "bos"


def test_a_value_that_follows_new_features_is_in_the_address_at_once(page, tiny):
    app = page()
    for typed in ("2-3", "1-7"):
        app = checked(by_hand(app, typed))
        natural = app.number_input(key=state.VALUE).value
        held = link.read(workspace(app).settings.clamp)
        assert held.value == natural and str(held.clamp.features[-1]) == typed
        assert app.query_params["clamp"] == workspace(app).settings.clamp
    assert checked(page(clamp=workspace(app).settings.clamp)).number_input(key=state.VALUE).value == held.value


@pytest.mark.parametrize(
    ("clamp", "says"),
    [
        ("2-5=4@bos,3-7=5@bos", "one value"),
        ("direction", "one value"),
        ("2-5=x", "is not an edit"),
        ("nonsense", "nonsense"),
        (",", "one value"),
        ("2-5=4*0.5@bos", "has the strength"),
        ("2-5=4@nowhere", "Positions “nowhere” are unknown"),
        ("2-5=1e999@bos", "is not finite"),
        ("2-5=4?3-1>2", "higher layer"),
    ],
)
def test_a_link_with_a_clamp_that_this_page_cannot_show_says_so(page, clamp, says):
    app = page(clamp=clamp)
    assert says in texts(app)
    assert clamped(app) == clamped(page())


def test_slips_of_the_pen_are_sentences(page):
    app = by_hand(page(), "2-5, nonsense")
    assert not app.exception and not app.error and "nonsense" in texts(app)
    app = by_hand(app, "9-1")
    assert not app.exception and "9" in texts(app) and "No features are clamped" in texts(app)
    app = checked(by_hand(app, "2-5"))
    app.text_input(key=answers.VALUES).set_value("2, x").run()
    assert not app.exception and "is not a number" in app.error[0].value


def test_a_run_s_redundant_features_those_on_most_prompts_first(page):
    page()
    engine = engines.get_engine(PAGE_MODEL)
    runs = Runs(store.shared_store())
    ledger = runs.ledger(runs.create(engine, INPUTS, SETTINGS, "mine"))
    mark = lambda name, span: [name, 0, "x", span, 1.0]  # noqa: E731
    ledger.append(
        [
            Row("inert", "harmful/0000", {"woken": [mark("3-1", "instruction"), mark("3-2", "bos")]}),
            Row("inert", "harmful/0001", {"woken": [mark("3-2", "bos"), mark("3-2", "template")]}),
        ]
    )
    app = page()
    checked(app.segmented_control(key=choose.SOURCE).set_value(choose.RUN).run())
    assert clamped(app) == ["3-2", "3-1"]
    checked(app.toggle(key="bos_run_only").set_value(True).run())
    assert clamped(app) == ["3-2"]


def test_an_evaluation_is_run_kept_and_looked_at_again(page, monkeypatch):
    app = checked(by_hand(page(edits=EDITS), "2-5"))
    app.selectbox(key="bos_attack").set_value("the edits").run()
    app.slider(key="bos_many_harmful_4").set_value(2).run()
    app.text_input(key="bos_grid").set_value("4").run()
    checked(app.button(key="bos_run_defence").click().run())
    until(lambda: not shared_queue().under_way())
    checked(app.run())
    defences = Defences(store.shared_store())
    (one,) = defences.all(PAGE_MODEL)
    assert (one.asked.base, one.asked.values, len(one.asked.harmful)) == (EDITS, (None, 4.0), 2)
    found = defences.found(one.defence)
    assert set(found) == set(one.asked.places)
    engine = engines.get_engine(PAGE_MODEL)
    said = engine.answers(one.asked.harmful, [Edits.from_text(EDITS) + Edits.clamp([Feature(2, 5)], 4.0, "bos")], 24)
    assert found[1, "attacked"] == tuple(
        engine.verdict(prompt, text) for prompt, (text,) in zip(one.asked.prompts["attacked"], said, strict=True)
    )
    assert "Result." in texts(app)
    again = page()
    assert again.selectbox(key=state.SHOWN).value == one.defence and "Result." in texts(again)
    frame, facts = long_table(one.asked.values, found), results.facts(one)
    assert not set(frame) & set(facts) and facts["digest of the model"] == engine.runtime.digests.weights
    assert not again.warning
    monkeypatch.setattr(Defences, "all", lambda self, model: [replace(one, sae_digests="2:other")])
    (told,) = page().warning
    assert "other SAEs (layer 2) under this model’s name" in told.value


def test_an_evaluation_that_was_stopped_goes_on(page, monkeypatch):
    app = checked(by_hand(page(), "2-5"))
    app.selectbox(key="bos_attack").set_value("multi-turn: warm-up").run()
    engine, leave = engines.get_engine(PAGE_MODEL), threading.Semaphore(0)
    answer = engine.answers
    monkeypatch.setattr(engine, "answers", lambda *given: leave.acquire(timeout=60) and answer(*given))
    checked(app.button(key="bos_run_defence").click().run())
    defences = Defences(store.shared_store())
    (one,) = defences.all(PAGE_MODEL)
    assert app.button(key="bos_run_defence").disabled and defences.found(one.defence) == {}
    checked(app.button(key="bos_stop_defence").click().run())
    leave.release()
    until(lambda: not shared_queue().under_way())
    assert "Stopped" in texts(checked(app.run())) and len(defences.found(one.defence)) == 1
    leave.release(100)
    checked(app.button(key=f"bos_go_on_{one.defence}").click().run())
    until(lambda: not shared_queue().under_way())
    assert set(defences.found(one.defence)) == set(one.asked.places)


def test_charts_are_drawn_and_said_in_words():
    frame = pd.DataFrame(
        {"prompt": ["a", "a"], "value": [0.0, 1.0], "score": [1.0, 2.0], "p": [0.1, 0.2], "unclamped": 0.5}
    )
    found = {(0, "attacked"): ("refused", "complied"), (1, "attacked"): ("refused", "degenerate")}
    long = long_table((None, 2.0), found)
    for chart in (charts.scores(frame, 4.0), charts.rates(long, "refused", ["no clamp", "2"])):
        assert chart.to_dict()["$schema"]
    assert "+0.5 without a clamp" in charts.scores_summary(frame)
    assert charts.rates_summary(long, "degenerate").endswith("attacked, 2: 50% of 2")


def test_a_model_without_bos_is_clamped_where_the_answer_begins(page, monkeypatch):
    monkeypatch.setattr(work, "has_bos", lambda engine: False)
    app = page(edits=EDITS)
    assert "do not begin with a BOS token" in texts(app) and "Clamped at" in texts(app)
    assert app.selectbox(key=state.POSITIONS).value == "template"
    assert choose.WAKES not in app.segmented_control(key=choose.SOURCE).options
    checked(app.button(key="bos_to_active").click().run())
    assert all(word.endswith("@template") for word in workspace(app).words[48:])


def test_a_links_clamp_is_read_as_at_the_command_line():
    held = link.read("2-3=6@bos,3-4=6@bos")
    assert link.read("2-3=6@BOS; L3/4 = 6 at bos") == held and held.value == 6
