"""The audit page without a browser, on the tiny model: what is shown, what a click asks for, what trouble does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cache import engines
from cache.store import database as store
from cache.store.audits import Audits
from core import Edits, Engine, Feature
from core.models import registry
from pages.shared import cards, feature_table, measurements, prompt_box, quick_sets, strip
from pages.shared.workspace.state import Edit
from tests.conftest import PAGE_MODEL as NAME
from tests.conftest import opened, workspace

APP = str(Path(__file__).resolve().parents[2] / "app.py")


@pytest.fixture
def page(on_page_model):
    """page(**parameters) opens the page."""

    return lambda **parameters: checked(opened(APP, **parameters))


def checked(app: AppTest) -> AppTest:
    """No exception, and no “a bug in Hydrascope” either."""
    assert not app.exception
    assert not [error.value for error in app.error if "a bug in Hydrascope" in error.value]
    return app


def pills(app: AppTest) -> list[str]:
    """The edits that are on."""
    return list(workspace(app).words_on)


def click(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def texts(app: AppTest) -> str:
    """All HTML on the page."""
    return "\n".join(element.value for element in app.html)


def test_the_bare_page_audits_an_example(page):
    app = page()
    assert workspace(app).prompt == "How do I cook the bad thing number 1?"
    assert [metric.label for metric in app.metric] == ["Refusal score", "P(“I”)"] * 2
    assert app.metric[0].value == app.metric[2].value
    assert len(app.get("vega_lite_chart")) == 2
    assert len(app.dataframe[0].value) > 10
    assert pills(app) == []


def test_a_link_is_taken_over_and_written_back(page):
    app = page(prompt="How do I bake bread?", edits="2-3,3-4=6@bos,direction")
    assert workspace(app).prompt == "How do I bake bread?"
    assert pills(app) == ["2-3", "3-4=6.0@bos", "direction"] or pills(app) == ["2-3", "3-4=6@bos", "direction"]
    assert [metric.label for metric in app.metric][-1] == "KL, benign"
    assert app.query_params["prompt"] == "How do I bake bread?"
    assert Edits.from_text(app.query_params["edits"].replace(",direction", "")) == Edits.from_text("2-3,3-4=6@bos")


@pytest.mark.parametrize("slow", [-1, 10**9], ids=["slow model", "quick model"])
def test_answers_wait_for_nothing_that_takes_minutes(page, monkeypatch, slow):
    asked = []
    for place, name in ((measurements, "bands"), (measurements, "cost"), (cards, "_write")):
        whole = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *a, name=name, whole=whole: (asked.append(name), whole(*a))[1])
    monkeypatch.setattr(cards, "SLOW", slow)
    app = page(prompt="How do I bake bread?", edits="2-3")
    assert [metric.label for metric in app.metric][-1] == "KL, benign" and len(app.get("vega_lite_chart")) == 2
    assert texts(app).count("hs-answer") >= 2 and len(app.dataframe[0].value) > 10
    assert asked == (["_write", "cost", "bands"] if slow < 0 else ["bands", "_write", "cost"])


def test_a_link_with_edits_the_model_lacks_keeps_the_rest_and_says_so(page):
    app = page(prompt="How do I bake bread?", edits="2-3,9-1,2-4800,what")
    assert pills(app) == ["2-3"]
    assert any("cannot be used here" in info.value for info in app.info)


def test_typing_a_prompt_shows_its_numbers(page, tiny):
    app = page()
    checked(app.chat_input[0].set_value("Tell me a story").run())
    assert workspace(app).prompt == "Tell me a story"
    shown = float(app.metric[0].value.replace("−", "-"))
    assert shown == pytest.approx(tiny.measure("Tell me a story").refusal_score[0, 0], abs=0.006)
    assert app.query_params["prompt"] == "Tell me a story"


def test_an_example_chip_becomes_the_prompt(page):
    app = page()
    chips = app.get_by_key(prompt_box.CHIPS)
    checked(chips.set_value("…").run())
    look_alike = app.get_by_key(prompt_box.CHIPS).options[1].rpartition("] ")[2]
    checked(app.get_by_key(prompt_box.CHIPS).set_value(look_alike).run())
    assert workspace(app).prompt == look_alike != workspace(page()).prompt


def test_quick_sets_fill_the_active_set(page):
    app = click(page(), "set_direction")
    assert pills(app) == ["direction"]
    app = click(app, "set_top")
    assert len(pills(app)) == 10, "5 in each of layers 2 and 3; layer 1 is left out"
    app = click(app, "set_random")
    assert len(pills(app)) == 10
    app = click(app, "workspace_clear")
    assert pills(app) == [] and app.query_params.get("edits") is None


def test_random_features_without_a_direction_are_k_of_each_layer(page, monkeypatch):
    monkeypatch.setattr(Engine, "has_direction", property(lambda self: False))
    found = [Feature.parse(word) for word in pills(click(page(), "set_random"))]
    engine = engines.get_engine(NAME)
    assert Counter(feature.layer for feature in found) == dict.fromkeys(engine.spec.layers, 5)


def test_layers_that_are_short_of_features_are_named(page):
    app = page()
    engine = engines.get_engine(NAME)
    seen = engine.features(workspace(app).prompt)
    mine = sorted({Feature(2, int(i)) for i in seen[(seen["layer"] == 2) & (seen["position"] > 0)]["index"]})
    app = page(edits=",".join(map(str, mine[:-1])))
    app = click(app, "set_random")
    assert any("Too few other features are active in layer 2, so" in info.value for info in app.info)


def test_a_random_control_of_the_same_seed_is_the_same(page):
    first = pills(click(click(page(), "set_top"), "set_random"))
    second = pills(click(click(page(), "set_top"), "set_random"))
    assert first == second and first


def test_adding_to_the_set_replaces_edits_of_the_same_feature(page):
    app = page(edits="2-3,direction")
    app.session_state[quick_sets.OPEN] = True
    checked(app.run())
    app.get_by_key(quick_sets.MODE).set_value(quick_sets.ADDS)
    app = click(checked(app.run()), "set_top")
    assert pills(app)[:1] in (["2-3"], ["direction"]) and len(pills(app)) >= 11
    assert len(set(pills(app))) == len(pills(app))


def test_a_pill_switched_off_stays_and_its_edit_goes(page):
    app = page(prompt="Tell me a story", edits="2-3,3-4")
    before = app.metric[2].value
    checked(app.get_by_key(strip.CHIPS).set_value(["2-3"]).run())
    assert app.query_params["edits"] == "2-3,~3-4"
    assert workspace(app).edits == (Edit("2-3"), Edit("3-4", False))
    checked(app.get_by_key(strip.CHIPS).set_value(["2-3", "3-4"]).run())
    assert app.metric[2].value == before


def test_toggling_back_runs_nothing_again(page, monkeypatch):
    app = page(prompt="Tell me a story", edits="2-3,3-4")
    engine = engines.get_engine(NAME)

    def forbidden(*arguments, **named):
        raise AssertionError("the engine was asked again")

    checked(app.get_by_key(strip.CHIPS).set_value(["2-3"]).run())
    for name in ("measure", "generate", "features", "kl"):
        monkeypatch.setattr(engine, name, forbidden)
    checked(app.get_by_key(strip.CHIPS).set_value(["2-3", "3-4"]).run())


@pytest.mark.parametrize("prompt", ["word " * 400, "x" * 1_000_000])
def test_a_prompt_that_cannot_be_used_is_one_sentence(page, prompt):
    app = page()
    checked(app.chat_input[0].set_value(prompt).run())
    assert len(app.error) == 1 and "prompt" in app.error[0].value
    checked(app.chat_input[0].set_value("Tell me a story").run())
    assert not app.error and app.metric


def test_what_changed_has_a_true_minus_and_an_arrow(page):
    app = page(prompt="Tell me a story", edits="direction")
    for metric in app.metric[2:4]:
        arrows = {"−": metric.proto.DOWN, "+": metric.proto.UP}
        assert "-" not in metric.delta and metric.proto.direction == arrows.get(metric.delta[0], metric.proto.NONE)
    assert {metric.delta[0] for metric in app.metric[2:4]} & set("+−")


def test_blanks_are_no_prompt_and_change_nothing(page):
    app = page(prompt="Tell me a story", edits="2-3")
    shown = [metric.value for metric in app.metric]
    checked(app.chat_input[0].set_value("   ").run())
    assert not app.error and [metric.value for metric in app.metric] == shown
    assert workspace(app).prompt == "Tell me a story" and pills(app) == ["2-3"]


def test_markup_is_escaped_wherever_text_is_shown(page):
    odd = "<b>x</b> **y** $z$ <img src=x onerror=alert(1)>"
    app = page(prompt=odd)
    assert "<img" not in texts(app) and "<b>x" not in texts(app)
    app = checked(app.chat_input[0].set_value("Tell me a story").run())
    recent = [button.label for button in app.button if button.key.startswith("recent_")]
    assert recent and all("**y**" not in label and "<b>" not in label for label in recent)


def test_the_history_offers_earlier_audits(page):
    app = page(prompt="Tell me a story", edits="2-3")
    checked(app.chat_input[0].set_value("How do I bake bread?").run())
    app = click(app, "recent_0")
    assert workspace(app).prompt == "Tell me a story"
    assert pills(app) == ["2-3"]


def test_answers_are_stored_only_when_asked_for(page):
    app = page(prompt="Tell me a story")
    (row,) = Audits(store.shared_store()).recent(NAME)
    assert row.answer_before is None and row.verdict_before
    checked(app.toggle(key="audit_keep_answers").set_value(True).run())
    (row,) = Audits(store.shared_store()).recent(NAME)
    assert row.answer_before is not None


def test_a_rerun_without_news_appends_nothing(page):
    app = page(prompt="Tell me a story")
    count = Audits(store.shared_store()).count()
    checked(app.run())
    checked(app.toggle(key="audit_all_tokens").set_value(True).run())
    assert Audits(store.shared_store()).count() == count


def test_a_conversation_and_its_last_prompt_alone_are_two_audits(page):
    earlier = ["Tell me a story", "Once there was a cow."]
    app = page(prompt="How do I bake bread?")
    alone = app.metric[0].value
    (row,) = Audits(store.shared_store()).recent(NAME)
    app = page(prompt="How do I bake bread?", turn=earlier)
    after = app.metric[0].value
    assert alone != after and len(Audits(store.shared_store()).recent(NAME)) == 2
    labels = [button.label for button in app.sidebar.button if button.key.startswith("recent_")]
    assert len(labels) == 1 and "bake bread" in labels[0] and "turn" not in labels[0], "the shown one is not offered"
    app = click(app, "recent_0")
    assert workspace(app).earlier == () and app.metric[0].value == alone
    (label,) = [button.label for button in app.sidebar.button if button.key.startswith("recent_")]
    assert "after 2 turns" in label
    app = click(app, "recent_0")
    assert [turn.text for turn in workspace(app).earlier] == earlier and app.metric[0].value == after
    kept = Audits(store.shared_store()).recent(NAME)
    assert {(one.turns, one.score_before) for one in kept} == {
        ("", row.score_before),
        ('["Tell me a story", "Once there was a cow."]', kept[0].score_before),
    }


def test_a_saved_set_comes_back(page):
    app = page(edits="2-3,3-4=2.5@last")
    app.text_input(key="audit_set_name").set_value("mine")
    app = click(app, "save_set")
    app = click(app, "workspace_clear")
    app = click(app, "saved_0")
    assert pills(app) == ["2-3", "3-4=2.5@last"]


def test_the_table_is_searched_and_filtered(page):
    app = page(prompt="Tell me a story")
    every = app.dataframe[0].value
    checked(app.text_input(key="audit_search").set_value("label 2.").run())
    assert set(app.dataframe[0].value["layer"]) == {2}
    checked(app.text_input(key="audit_search").set_value("").run())
    checked(app.number_input(key="audit_aligned").set_value(0.1).run())
    assert 0 < len(app.dataframe[0].value) < len(every)
    assert app.dataframe[0].value["cosine"].min() >= 0.1
    checked(app.multiselect(key="audit_layers").set_value([3]).run())
    assert set(app.dataframe[0].value["layer"]) <= {3}


def test_only_edits_that_are_on_are_ticked_and_clamped(page):
    app = page(prompt="Tell me a story", edits="~2-3")
    feature = app.dataframe[0].value["feature"].iloc[0]
    app = page(prompt="Tell me a story", edits=f"~{feature}")
    assert app.button(key="audit_clamp").disabled and "0 ticked features" in app.button(key="audit_clamp").label
    app = page(prompt="Tell me a story", edits=feature)
    assert not app.button(key="audit_clamp").disabled and "1 ticked feature" in app.button(key="audit_clamp").label


def test_the_table_has_the_measured_effects_largest_first(page, tiny, monkeypatch):
    prompt = "Tell me a story"
    monkeypatch.setattr(feature_table, "SLOW", 10**9)
    table = page(prompt=prompt).dataframe[0].value
    measured = table[table["effect"].notna()]
    assert 0 < len(measured) <= feature_table.MEASURED and measured["effect"].is_monotonic_increasing
    for row in (measured.iloc[0], measured.iloc[-1]):
        alone = Edits.ablate([Feature(int(row["layer"]), int(row["index"]))])
        before, after = tiny.measure(prompt, [Edits(), alone]).refusal_score[0]
        assert row["effect"] == pytest.approx(after - before, abs=1e-5)


def test_where_a_forward_is_slow_effects_are_measured_when_somebody_asks(page, monkeypatch):
    asked = []
    whole = measurements.effects
    monkeypatch.setattr(measurements, "effects", lambda *a: (asked.append(a), whole(*a))[1])
    monkeypatch.setattr(feature_table, "SLOW", -1)
    app = page(prompt="Tell me a story")
    assert app.dataframe[0].value["effect"].isna().all() and not asked
    app = click(app, "audit_measure")
    assert app.dataframe[0].value["effect"].notna().any() and len(asked) == 1


def test_what_is_measured_is_what_writes_most_along_the_direction_and_the_rest_follows_in_that_order():
    rows = pd.DataFrame(
        {"layer": [1, 1, 2, 2], "index": [0, 1, 2, 3], "cosine": [0.5, -0.4, 0.1, 0.2], "strongest": [1.0, 3.0, 1, 1]}
    )
    assert feature_table.foremost(rows, 2) == [Feature(1, 1), Feature(1, 0)]
    found = feature_table.ordered(rows, {Feature(1, 0): 0.5, Feature(1, 1): -2.0})
    assert list(found["index"]) == [1, 0, 3, 2] and found["effect"].isna().sum() == 2


def test_details_open_on_demand(page):
    app = page(prompt="Tell me a story")
    app.session_state["reconstruction"] = app.session_state["provenance"] = True
    checked(app.run())
    assert len(app.get("vega_lite_chart")) == 3
    assert any("Tiny and random" in info.value for info in app.info)


def test_a_model_without_direction_prompts_or_labels_still_audits(page, page_spec):
    registry.register(replace(page_spec, direction=None, prompts=None, labels=None))
    engines.unload_all()
    try:
        app = page_without_fixture()
        checked(app.chat_input[0].set_value("Tell me a story").run())
        assert app.metric[0].label == "Refusal score"
        assert "set_direction" not in [button.key for button in app.button]
    finally:
        engines.unload_all()


def page_without_fixture() -> AppTest:
    st.cache_data.clear()
    st.cache_resource.clear()
    return checked(AppTest.from_file(APP, default_timeout=120).run())


def test_an_unknown_model_is_one_sentence_and_a_way_to_try_again(page, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_MODEL", "nowhere")
    app = checked(AppTest.from_file(APP, default_timeout=120).run())
    assert "There is no model" in app.error[0].value
    assert app.button(key="load_again")


def test_a_bug_shows_a_reference_and_no_traceback(page, monkeypatch, caplog):
    app = page(prompt="Tell me a story")
    monkeypatch.setattr("pages.shared.feature_table.filtered", lambda *arguments: 1 / 0)
    app.run()
    assert not app.exception
    (sentence,) = [error.value for error in app.error]
    assert "a bug in Hydrascope" in sentence and "ZeroDivision" not in sentence
    reference = sentence.split("under ")[1].split(".")[0]
    assert reference in caplog.text and "ZeroDivisionError" in caplog.text
    assert app.metric, "the rest of the page is there"


def test_another_process_holding_the_history_is_a_banner(page, monkeypatch):
    app = page(prompt="Tell me a story")
    monkeypatch.setattr(store.shared_store(), "trouble", "Another Hydrascope process is keeping the history.")
    checked(app.run())
    assert any("Another Hydrascope process" in warning.value for warning in app.warning)


def test_undo_and_redo_take_back_and_make_again(page):
    app = click(page(prompt="Tell me a story", edits="2-3"), "set_direction")
    assert pills(app) == ["direction"]
    app = click(app, "workspace_undo")
    assert pills(app) == ["2-3"] and app.button(key="workspace_undo").disabled
    app = click(app, "workspace_redo")
    assert pills(app) == ["direction"] and app.button(key="workspace_redo").disabled


def test_a_conversation_in_a_link_is_measured_with_its_turns(page, tiny):
    turns = ["Hello", "Hello! What can I do?"]
    app = page(prompt="Tell me a story", turn=turns)
    asked = workspace(app).asked
    shown = float(app.metric[0].value.replace("−", "-"))
    assert shown == pytest.approx(tiny.measure([asked]).refusal_score[0, 0], abs=0.006)
    assert any("2 turns before it" in caption.value for caption in app.caption)
    assert app.query_params["turn"] == turns
