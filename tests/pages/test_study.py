"""The Study page without a browser: making studies, annotating, names, links, the end and the results."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cache import engines
from cache.jobs.queue import shared_queue
from cache.store.database import shared_store
from cache.store.judgements import Judgements
from cache.store.studies import Studies
from core.labels.contexts import Context
from core.study.answers import NONE
from core.study.items import Annotation, Study, StudyItem
from core.study.making import Labelled, answers_study
from core.study.taxonomy import FIVE
from pages.shared.text import plain
from pages.study import new, results, shown
from tests.conftest import PAGE_MODEL, opened
from tests.judges import SUBSTRINGS
from tests.waiting import until

PAGE = str(Path(new.__file__).with_name("page.py"))
APP = str(Path(new.__file__).resolve().parents[2] / "app.py")
MARKUP = "<b>bold</b> **text** $x$"
SAMPLES = (Context("before <i>", " token", "</i> after", 3.25), Context("", "\n", "x", 2.0))
TRUTHS = ((), (FIVE[0],), FIVE[:2], (), (FIVE[4],))
STUDY = Study(
    "pilot",
    "features",
    FIVE,
    tuple(
        StudyItem("main" if n else "training", "pipeline", frozenset(truth or [NONE]), f"1-{n}", MARKUP, "p", SAMPLES)
        for n, truth in enumerate(TRUTHS)
    ),
    PAGE_MODEL,
    {"seed": "0"},
)


@pytest.fixture
def pilot(on_page_model) -> str:
    """A stored study of one feature for training and four others; nothing is loaded."""
    return Studies(shared_store()).create(STUDY)


def texts(app: AppTest) -> str:
    said = (*app.title, *app.markdown, *app.caption, *app.subheader, *app.error, *app.warning, *app.info, *app.success)
    return " ".join(e.value for e in said).replace("\\", "")


def at(app: AppTest) -> str:
    """How far: what stands above the bar."""
    return app.get("progress")[0].proto.text


def press(app: AppTest, key: str) -> AppTest:
    """A key of the keyboard, by the button that has it as its shortcut."""
    (found,) = [button for button in app.button if button.proto.shortcut.lower() == key.lower()]
    assert not found.disabled
    return found.click().run()


def begun(name: str, study: str) -> AppTest:
    app = opened(PAGE, study=study, name=name)
    assert not app.exception
    return app


def on(app: AppTest) -> list[str]:
    """The labels that are chosen."""
    return [b.label for b in app.button if "label" in b.key and b.proto.icon.endswith("/check_box:")]


def mine(study: str, name: str) -> dict[int, Annotation]:
    return Studies(shared_store()).mine(study, name)


def test_by_keyboard_through_a_study(pilot):
    app = begun("Ada", pilot)
    assert at(app).startswith("Training: 1 of 1")
    app = press(press(app, "2"), "0")
    assert on(app) == [NONE], "None stands alone"
    app = press(app, "enter")
    assert "Measured, this feature fires on prompts of **none** of the categories." in texts(app)
    assert all(b.disabled for b in app.button if b.key.startswith("study_label")), "the answer is known now"
    app = press(app, "enter")
    assert at(app) == "Feature 1 of 4, 0 done"
    app = press(press(press(app, "1"), "2"), "enter")
    assert at(app) == "Feature 2 of 4, 1 done"
    app = press(press(app, "backspace"), "2")
    assert on(app) == [FIVE[0]]
    assert mine(pilot, "Ada")[1] == Annotation(frozenset({FIVE[0]}), True), "a change of mind stays done"
    for _ in range(3):
        app = press(press(press(app, "enter"), "5"), "enter")
    assert "Thank you, Ada. All 4 features are labelled" in texts(app)
    assert {n: sorted(one.choice) for n, one in mine(pilot, "Ada").items()} == {
        0: [NONE],
        1: [FIVE[0]],
        2: [FIVE[4]],
        3: [FIVE[4]],
        4: [FIVE[4]],
    }
    app = press(app, "enter")
    assert app.title[0].value == "Study" and app.query_params == {}


def test_every_click_is_stored_and_a_new_visit_goes_on(pilot):
    app = press(begun("Ada", pilot), "3")
    assert mine(pilot, "Ada") == {0: Annotation(frozenset({FIVE[2]}), False)}
    again = begun("Ada", pilot)
    assert on(again) == [FIVE[2]] and at(again).startswith("Training")
    app = press(press(again, "enter"), "enter")
    app = press(app, "4")
    again = begun("ada", pilot)
    assert at(again) == "Feature 1 of 4, 0 done" and on(again) == [FIVE[3]], "another spelling is the same person"
    assert list(Studies(shared_store()).annotations(pilot)) == ["Ada"]


def test_the_next_person_in_the_same_tab_is_not_shown_the_known_answer(pilot):
    app = press(press(begun("Ada", pilot), "1"), "enter")
    assert "You chose" in texts(app)
    app = app.button(key="study_leave").click().run()
    app.text_input(key=f"study_name_{pilot}").set_value("Bob")
    app = app.button(key="study_begin").click().run()
    assert "You chose" not in texts(app) and at(app).startswith("Training") and not on(app)
    app = press(press(app, "2"), "enter")
    assert "You chose" in texts(app) and mine(pilot, "Bob")[0].choice == {FIVE[1]}
    app.query_params["name"] = "Cleo"  # a link, in the same tab
    app = app.run()
    assert "You chose" not in texts(app) and at(app).startswith("Training") and not on(app)


def test_nothing_chosen_is_told_and_stays(pilot):
    app = press(begun("Ada", pilot), "enter")
    assert "Nothing is chosen. Choose at least one category, or None (key 0)." in texts(app)
    assert at(app).startswith("Training") and not mine(pilot, "Ada")


def test_a_wrong_choice_in_the_training_is_told(pilot):
    app = press(press(begun("Ada", pilot), "1"), "enter")
    assert f"You chose: {FIVE[0]}. Press Enter to go on." in texts(app)


def test_a_name_in_use_is_asked_about(pilot):
    Studies(shared_store()).annotate(pilot, "Ada", 0, frozenset({NONE}), True, "another tab")
    app = opened(PAGE)
    app.text_input(key=f"study_name_{pilot}").set_value(" ada ")
    app = app.button(key="study_begin").click().run()
    assert "Somebody called Ada has already labelled 1 item in this study." in texts(app)
    assert not app.get("progress")
    app = app.button(key="study_continue").click().run()
    assert at(app) == "Feature 1 of 4, 0 done"
    assert dict(app.query_params) == {"study": pilot, "name": "Ada"}


@pytest.mark.parametrize(("name", "sentence"), [("", "needs a name"), ("  ", "needs a name")])
def test_a_name_that_cannot_be(pilot, name, sentence):
    app = opened(PAGE)
    app.text_input(key=f"study_name_{pilot}").set_value(name)
    app = app.button(key="study_begin").click().run()
    assert sentence in texts(app) and not app.exception


def test_two_at_once_under_one_name_are_told_and_nothing_is_mixed(pilot):
    first, second = press(begun("Ada", pilot), "1"), begun("Ada", pilot)
    second = press(second, "2")
    first = press(first, "3")
    assert "Ada is also labelling in another tab or on another computer." in texts(first)
    assert mine(pilot, "Ada")[0].choice == {FIVE[0], FIVE[1]}, "the click of the first was not mixed in"
    first = first.button(key="study_here").click().run()
    assert on(first) == [FIVE[0], FIVE[1]]
    first = press(first, "3")
    assert mine(pilot, "Ada")[0].choice == set(FIVE[:3])
    second = press(second, "5")
    assert "another tab" in texts(second)
    assert second.button(key="study_other_name").click().run().title[0].value == "Study"


def test_links_that_lead_nowhere(pilot):
    for parameters in ({"study": "gone", "name": "Ada"}, {"study": "gone"}):
        app = opened(PAGE, **parameters)
        assert "There is no study “gone” in this store." in texts(app) and not app.exception
    app = opened(PAGE, study=pilot, name="x" * 50)
    assert "Use at most 40." in texts(app)
    assert app.button(key="study_leave").click().run().title[0].value == "Study"


def test_blind_and_as_text(pilot):
    app = press(press(begun("Ada", pilot), "0"), "enter")
    app = press(app, "enter")
    said = texts(app) + " ".join(str(one.proto.body) for one in app.get("html"))
    assert "1-1" not in said and "pipeline" not in said, "neither name nor group is shown"
    (explanation,) = [one.value for one in app.markdown if "Explanation" in one.value]
    assert explanation == f"**Explanation** {plain(MARKUP)}"
    html = shown.samples(SAMPLES)
    assert "<i>" not in html and "&lt;i&gt;" in html and "<mark>↵</mark>" in html and "3.25" in html


def test_one_click_makes_a_study_of_the_current_model(on_page_model):
    engines.unload_all()
    app = opened(PAGE)
    app = app.button(key="study_make").click().run()
    until(lambda: not shared_queue().under_way())
    app = app.run()
    (made,) = Studies(shared_store()).all()
    assert made.name == f"70 features of {PAGE_MODEL}" and app.selectbox(key="study_chosen").value == made.study
    assert app.text_input(key=new.TITLE).placeholder == f"70 features of {PAGE_MODEL} (2)"
    engines.unload_all()


def test_named_features_and_the_active_set(on_page_model):
    app = opened(PAGE)
    app = app.selectbox(key=new.SOURCE).set_value(new.ACTIVE).run()
    assert "The active set has no features" in texts(app)
    app = app.selectbox(key=new.SOURCE).set_value(new.NAMED).run()
    app = app.text_area(key="study_named").set_value("nonsense").run()
    assert "“nonsense” is not a feature" in texts(app)
    app = app.text_area(key="study_named").set_value("1-1, 2-2").run()
    assert app.button(key="study_make").label == "Make a study of 32 features"
    app = app.selectbox(key=new.SOURCE).set_value(new.RUN).run()
    assert "There is no such run yet" in texts(app)
    app = opened(APP, edits="1-3,2-4").switch_page("pages/study/page.py").run()
    app = app.selectbox(key=new.SOURCE).set_value(new.ACTIVE).run()
    assert app.button(key="study_make").label == "Make a study of 32 features"


def test_answers_of_a_file_with_a_judge(on_page_model):
    app = opened(PAGE)
    app = app.segmented_control(key=new.ABOUT).set_value(new.ANSWER_TEXTS).run()
    app = app.selectbox(key="study_answers").set_value(new.A_FILE).run()
    data = "prompt,answer\nHow?,I cannot help with that.\nWhy?,Because <b>it</b> rains.\n"
    app = app.file_uploader(key=new.FILE).set_value(("a.csv", data.encode(), "text/csv")).run()
    app = app.button(key="study_make_answers").click().run()
    (made,) = Studies(shared_store()).all()
    assert (made.name, made.items) == ("2 answers", 2)
    study = Studies(shared_store()).get(made.study)
    Judgements(shared_store()).judge(SUBSTRINGS, *zip(*[(i.prompt, i.answer) for i in study.items[5:]], strict=True))
    visit = begun("Ada", made.study)
    assert at(visit).startswith("Training: 1 of 5")
    for number, item in enumerate(study.items[:5]):
        (truth,) = item.truth
        visit = press(press(visit, str(study.labels.index(truth) + 1)), "enter")
        assert f"The known verdict is **{truth}**. You chose the same." in texts(visit), number
        visit = press(visit, "enter")
    for _ in range(2):
        visit = press(press(press(visit, "1"), "2"), "enter")
    assert "Thank you, Ada" in texts(visit)
    app = opened(PAGE)
    app = app.toggle(key="study_results").set_value(True).run()
    assert "substrings" in texts(app) and "κ = 0.000" in texts(app), "people chose “complied” on both"


def test_results_of_three_annotators(pilot):
    studies = Studies(shared_store())
    for who in ("Ada", "Ben", "Cyd <i>"):
        for number, item in enumerate(STUDY.items):
            choice = item.truth if who != "Ben" or number < 3 else frozenset({FIVE[3]})
            studies.annotate(pilot, who, number, choice, True, who)
    app = opened(PAGE).toggle(key="study_results").set_value(True).run()
    said = texts(app)
    assert not app.exception and "4 of 4 features** labelled" in said and "Cyd <i> (4)" in said
    assert "Score as in the paper: **100.0%" in said and "13.42%" in said and "Random guessing" in said
    table = app.dataframe[0].value
    assert list(table["label"]) == [*FIVE, NONE] and list(table["majority"]) == [2, 1, 0, 0, 1, 1]


def test_results_before_anybody_has_begun(pilot):
    app = opened(PAGE).toggle(key="study_results").set_value(True).run()
    assert "Nobody has labelled an item of this study yet." in texts(app)


def test_the_chart_has_the_majority_guessing_and_every_part(pilot):
    from core.study.results import results as computed

    done = {"Ada": {n: Annotation(item.truth, True) for n, item in enumerate(STUDY.items)}}
    found = computed(STUDY, done)
    frame = results.score_frame(found, {"fires on 1 category": found.by_number[1]})
    assert list(frame["name"]) == [
        "the majority (n = 4)",
        "random guessing, 95% of draws",
        "fires on 1 category (n = 2)",
    ]
    assert frame["rate"][0] == 1 and frame["rate"][1] == found.guess.mean and (frame["low"] <= frame["rate"]).all()


def test_an_empty_answer_can_be_labelled(on_page_model):
    identifier = Studies(shared_store()).create(answers_study("a", Labelled((("p", ""),), ("",), "x")))
    visit = begun("Ada", identifier)
    for _ in range(5):
        visit = press(press(press(visit, "1"), "enter"), "enter")
    assert "Choose what this answer is." in texts(visit) and at(visit) == "Answer 1 of 1, 0 done"
    assert any("(an empty answer)" in one.proto.body for one in visit.get("html"))


def test_a_key_for_an_item_that_is_no_longer_drawn_changes_nothing(pilot):
    app = begun("Ada", pilot)
    app.session_state["study_drawn"] = 1  # as while the next item is on its way to the browser
    app = press(app, "2")
    assert not mine(pilot, "Ada")
    app.session_state["study_drawn"] = 1
    assert "Nothing is chosen" not in texts(press(app, "enter"))
    assert on(press(app, "2")) == [FIVE[1]]
