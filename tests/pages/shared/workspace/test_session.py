"""The workspace in a session: what the address bar does to it, and what clicks do, whatever the address says."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from pages.shared.workspace import mirrors
from pages.shared.workspace.state import Edit, Settings
from tests.conftest import workspace


def script():
    """The least page: a chip for each edit, and a slider that belongs to a page opened now and then."""
    import streamlit as st

    from cache.engines import get_engine
    from pages.shared import notice
    from pages.shared.workspace import session
    from pages.shared.workspace.state import with_settings, with_switched
    from tests.conftest import PAGE_MODEL

    session.follow_address()
    session.open_with(get_engine(PAGE_MODEL), "The first example")
    now = session.current()
    st.pills(
        "Edits",
        now.words,
        selection_mode="multi",
        key=session.show_chips("chips", now.words_on),
        on_change=session.on_chips("chips", with_switched),
    )
    st.multiselect(
        "The same edits",
        now.words,
        key=session.show_chips("ticks", now.words_on),
        on_change=session.on_chips("ticks", with_switched),
    )
    if st.toggle("Elsewhere", key="elsewhere"):
        st.caption(f"{session.request(get_engine(PAGE_MODEL)).edits.describe()}")
    else:
        st.slider(
            "K",
            1,
            50,
            key=session.show_in("k", now.settings.features_per_layer),
            on_change=session.on_change("k", lambda w, number: with_settings(w, features_per_layer=number)),
        )
    st.button("Clear", key="clear", on_click=session.set_words, args=((),))
    st.caption(notice.take() or "no notice")
    session.write_address()


@pytest.fixture
def visit(on_page_model):
    """visit(**link) opens the page by a link."""

    def opened(**parameters: str) -> AppTest:
        app = AppTest.from_function(script, default_timeout=120)
        for name, value in parameters.items():
            app.query_params[name] = value
        return checked(app.run())

    return opened


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def edits(app: AppTest) -> tuple[Edit, ...]:
    return workspace(app).edits


def test_the_first_visit_shows_the_example_at_a_bare_address(visit):
    app = visit()
    assert workspace(app).prompt == "The first example" and dict(app.query_params) == {}
    assert app.session_state["workspace"].past == (), "opening a page is no step to undo"


def test_a_chip_writes_into_the_workspace_and_the_address(visit):
    app = visit(prompt="p", edits="2-3,2-4")
    checked(app.get_by_key("chips").set_value(["2-4"]).run())
    assert edits(app) == (Edit("2-3", False), Edit("2-4"))
    assert app.query_params["edits"] == "~2-3,2-4"


def test_a_click_brings_what_another_widget_showed_before_and_that_is_no_click(visit):
    app = visit(prompt="p", edits="2-3,2-4,3-4")
    checked(app.get_by_key("chips").set_value(["2-4", "3-4"]).run())
    assert app.get_by_key("ticks").value == ["2-4", "3-4"], "the page has set it"
    app.get_by_key("ticks").set_value(["2-3", "2-4", "3-4"])  # the browser still shows this
    checked(app.get_by_key("chips").set_value(["3-4"]).run())
    assert edits(app) == (Edit("2-3", False), Edit("2-4", False), Edit("3-4"))
    checked(app.get_by_key("ticks").set_value([]).run())
    app.get_by_key("chips").set_value(["3-4"])
    checked(app.get_by_key("ticks").set_value(["2-3"]).run())
    assert [edit.word for edit in edits(app) if edit.on] == ["2-3"], "and the other way round"


def test_long_after_the_page_set_it_the_same_state_is_a_click_back(visit, monkeypatch):
    app = visit(prompt="p", edits="2-3,2-4")
    checked(app.get_by_key("chips").set_value(["2-4"]).run())
    checked(app.get_by_key("ticks").set_value(["2-3", "2-4"]).run())
    assert edits(app) == (Edit("2-3", False), Edit("2-4")), "within a second it is what the browser showed before"
    monkeypatch.setattr(mirrors, "HEARD", 0.0)
    checked(app.get_by_key("ticks").set_value(["2-3", "2-4"]).run())
    assert edits(app) == (Edit("2-3"), Edit("2-4"))


def test_a_widget_that_was_away_comes_back_as_it_was(visit):
    app = visit(prompt="p", edits="2-3,~2-4")
    checked(app.get_by_key("k").set_value(9).run())
    checked(app.toggle(key="elsewhere").set_value(True).run())
    checked(app.get_by_key("chips").set_value(["2-3", "2-4"]).run())
    checked(app.toggle(key="elsewhere").set_value(False).run())
    assert app.slider(key="k").value == 9 and app.query_params["k"] == "9"
    assert edits(app) == (Edit("2-3"), Edit("2-4"))


def test_an_address_that_is_not_ours_is_followed_and_can_be_undone(visit):
    app = visit(prompt="p", edits="2-3")
    app.query_params.clear()
    app.query_params["prompt"], app.query_params["edits"], app.query_params["k"] = "q", "~3-4", "7"
    checked(app.run())
    assert workspace(app).prompt == "q" and edits(app) == (Edit("3-4", False),)
    assert workspace(app).settings == Settings(7)
    assert app.session_state["workspace"].undo().present.prompt == "p"


def test_a_click_counts_more_than_an_address_that_comes_late(visit):
    app = visit(prompt="p", edits="2-3,2-4")
    checked(app.get_by_key("chips").set_value(["2-4"]).run())
    app.query_params["edits"] = "2-3,2-4"  # the browser had not heard of the new address yet
    checked(app.button(key="clear").click().run())
    assert edits(app) == () and "edits" not in app.query_params


def test_other_parameters_of_an_address_stay(visit):
    app = visit(prompt="p", other="x", edits="2-3")
    checked(app.button(key="clear").click().run())
    assert app.query_params["other"] == "x"


def test_edits_the_model_lacks_are_left_out_and_what_is_off_stays_off(visit):
    app = visit(prompt="p", edits="2-3,9-1,~2-4,2-4800,what")
    assert edits(app) == (Edit("2-3"), Edit("2-4", False))
    assert any("9-1, 2-4800, what. Layer 9 has no SAE" in caption.value for caption in app.caption)


def test_what_a_link_asks_for_and_cannot_have_is_said(visit):
    app = visit(prompt="p", edits="2-3,9-1", pin=["junk!", "2-4,9-9", "2-5"], turn=["alone"])
    assert edits(app) == (Edit("2-3"),) and workspace(app).asked == "p"
    assert workspace(app).pins == ((Edit("2-4"),), (Edit("2-5"),)), "the pin that is no edit is gone"
    (said,) = [caption.value for caption in app.caption if "odd number of earlier turns" in caption.value]
    assert "9-1" in said and "Some edits of pinned sets" in said and "“junk!” is not" in said
    assert not any("odd number" in caption.value for caption in app.run().caption), "once"


def test_of_two_edits_of_one_feature_in_a_link_the_first_is_kept_and_said(visit):
    app = visit(prompt="Hi", edits="2-3,3-4,2-3=6")
    assert app.pills(key="chips").options == ["2-3", "3-4"]
    assert any("“2-3” and “2-3=6.0” edit the same thing" in one.value for one in app.caption)


def test_of_two_edits_that_ablate_the_direction_the_first_is_kept_and_said(visit):
    app = visit(prompt="Hi", edits="direction@bos,direction=5@last,direction@last", elsewhere="1")
    assert app.pills(key="chips").options == ["direction@bos", "direction=5@last"]
    (said,) = [one.value for one in app.caption if "left out" in one.value]
    assert "left out: direction@last. “direction@bos” and “direction@last” ablate the direction twice." in said
    checked(app.toggle(key="elsewhere").set_value(True).run())
    assert any("direction ablated at BOS, refusal direction added" in one.value for one in app.caption)


def test_the_parts_of_a_link_that_are_written_twice_are_said(visit):
    app = visit(prompt="Hi", edits=["2-3", "2-4"])
    assert edits(app) == (Edit("2-3"),) and app.query_params["edits"] == "2-3"
    assert any("“2-4” was left out" in one.value for one in app.caption)
