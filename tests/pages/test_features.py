"""The Features page without a browser, on the tiny model: sources, filters, the reading, cards, groups and lists."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cache import engines
from cache.jobs.queue import Queue, shared_queue
from cache.store import database as store
from cache.store.audits import Audits
from cache.store.labels import made_folder
from cache.store.runs import Runs
from core import Feature
from core.discovery.ledger import Row
from core.labels.making import make_labels
from core.labels.notes import ShippedNotes, no_labels, read_labels
from core.labels.sample import sample_of
from core.prompts.categories import labelled
from core.semantics.about import read_about
from core.semantics.firing import read_firing
from core.semantics.label_score import FEWEST
from pages.features import charts, lists, prompts, rows, source, views, writer
from pages.features.rows import Filters, filtered
from pages.shared import meanings
from pages.shared.engine import engine_key
from pages.shared.text import plain
from tests.conftest import PAGE_MODEL, opened, workspace
from tests.small_search import INPUTS, SETTINGS

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "features" / "page.py")
EDITS = "1-3,2-7,3-11"
WORDS = ("bread", "town", "cat", "dog", "place", "story", "help", "red", "blue", "old")


@pytest.fixture
def visit(on_page_model):
    return lambda **parameters: checked(opened(PAGE, **parameters))


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    assert not app.error, [error.value for error in app.error]
    return app


def texts(app: AppTest) -> str:
    return " ".join(e.value for e in (*app.markdown, *app.caption, *app.subheader, *app.info))


def shown(app: AppTest) -> pd.DataFrame:
    return next(table.value for table in app.dataframe if "feature" in table.value)


HARMFUL = [(f"How do I {verb} the bad {word}?", name) for word in WORDS for verb, name in (("see", "a"), ("buy", "b"))]
CONTRAST = [f"Tell me of a {word}." for word in WORDS]


def listed():
    """The prompts of `given`, as core reads them."""
    return labelled([text for text, _ in HARMFUL], [name for _, name in HARMFUL], CONTRAST, "list.jsonl")


def given(app: AppTest) -> AppTest:
    """Prompts with categories, from files."""
    lines = "".join(json.dumps({"prompt": text, "category": name}) + "\n" for text, name in HARMFUL)
    contrast = "\n".join(CONTRAST)
    checked(app.segmented_control(key=prompts.FROM).set_value(prompts.FILE).run())
    checked(app.file_uploader(key=prompts.HARMFUL).set_value(("list.jsonl", lines.encode(), "text/plain")).run())
    return checked(
        app.file_uploader(key=prompts.CONTRAST).set_value(("contrast.txt", contrast.encode(), "text/plain")).run()
    )


def read(app: AppTest) -> AppTest:
    """The reading, where no test before has left it in this process."""
    for button in [button for button in app.button if button.key == "features_read"]:
        checked(button.click().run())
    for job in shared_queue().under_way("features"):
        shared_queue().wait(job.id, 60)
    return checked(app.run())


def test_a_reading_is_there_again_in_a_new_process_without_a_click(visit, monkeypatch):
    latest, seen, gone = Queue.latest, set(), set()

    def of_this_process(self, kind, key):
        """A new process knows no job of an earlier one."""
        found = latest(self, kind, key)
        if found is None or found.id in gone:
            return None
        seen.add(found.id)
        return found

    monkeypatch.setattr(Queue, "latest", of_this_process)
    before = shown(read(given(visit(edits=EDITS))))
    assert seen
    gone |= seen
    st.cache_resource.clear()
    monkeypatch.setattr("cache.jobs.features.measure_about", None)
    app = given(visit(edits=EDITS))
    for job in shared_queue().under_way("features"):
        shared_queue().wait(job.id, 60)
    pd.testing.assert_frame_equal(shown(checked(app.run())), before)
    assert seen - gone, "a job made the tables again"


def test_the_page_says_on_which_prompts_labels_were_scored_also_after_they_were_made_again(visit, monkeypatch):
    engine = engines.get_engine(PAGE_MODEL)
    # Where the model comes with labels, none made here are asked for.
    monkeypatch.setattr("cache.store.labels.read_labels", lambda file, origins: no_labels())
    st.cache_resource.clear()
    folder, (first, other) = made_folder(PAGE_MODEL), (listed(), ["Tell me of a small town, please.", "Is it old?"])
    make_labels(engine, sample_of(engine, [*first.texts, *first.contrast]), folder)
    try:
        app = read(given(visit(edits=EDITS)))
        said = plain("are not scored: without the 30 of 30 prompts that they were made from, 0 are left")
        assert said in texts(app)
        checked(app.segmented_control(key=views.VIEW).set_value(views.PAPER).run())
        assert texts(app).count(said) == 3, "beside scores and both routes too"
        make_labels(engine, sample_of(engine, other), folder)
        assert "are not scored" not in texts(read(app)), "what was measured is kept, and its tables are made again"
    finally:
        shutil.rmtree(folder)
        st.cache_resource.clear()


def test_a_loaded_model_writes_sentences_that_stand_on_the_cards(visit):
    app = read(given(visit(edits=EDITS)))
    name = engines.get_engine(PAGE_MODEL).spec.name
    checked(app.selectbox(key=writer.BY).set_value(name).run())
    app = read(app)
    checked(app.segmented_control(key=views.VIEW).set_value(views.CARDS).run())
    assert f"written by {plain(name)}" in texts(app) or f"{plain(name)} wrote no sentence" in texts(app)
    checked(app.selectbox(key=writer.BY).set_value(writer.NOBODY).run())
    assert plain(name) not in texts(app) and not [b for b in app.button if b.key == "features_read"]


def a_run() -> str:
    engine, runs = engines.get_engine(PAGE_MODEL), Runs(store.shared_store())
    run = runs.create(engine, INPUTS, SETTINGS, "mine")
    sets = {"harmful/0000": ["1-3", "2-7"], "harmful/0001": ["2-7"]}
    runs.ledger(run).append(
        [
            Row("pruning", item, {"pool": 9, "minimal": {"0.1": names}, "verdicts": {"0.1": "complied"}, "tau": "0.1"})
            for item, names in sets.items()
        ]
    )
    return run


def test_opened_bare_it_says_where_features_come_from(visit):
    app = visit()
    assert app.segmented_control(key=source.SOURCE).value == source.A_RUN
    assert "no runs of this model yet" in texts(app) and not app.dataframe
    checked(app.segmented_control(key=source.SOURCE).set_value(source.ACTIVE).run())
    assert "No edits are on" in texts(app)


def test_the_active_set_stands_there_at_once_and_is_filtered(visit):
    app = visit(edits=EDITS)
    assert shown(app)["feature"].tolist() == EDITS.split(",")
    assert shown(app)["label"].tolist() == ["label 1.3", "label 2.7", "label 3.11"] and "role" not in shown(app)
    checked(app.text_input(key=rows.SEARCH).set_value("2.7").run())
    assert shown(app)["feature"].tolist() == ["2-7"] and "1 of 3 features" in texts(app)
    checked(app.text_input(key=rows.SEARCH).set_value("").run())
    checked(app.multiselect(key=rows.LAYERS).set_value([3]).run())
    assert shown(app)["feature"].tolist() == ["3-11"]


def test_features_of_a_run_say_how_many_prompts_need_them(visit):
    app = visit()
    a_run()
    checked(app.run())
    assert shown(app).set_index("feature")["prompts"].to_dict() == {"1-3": 1, "2-7": 2}


def test_features_are_found_by_words_or_by_name(visit):
    app = visit()
    checked(app.segmented_control(key=source.SOURCE).set_value(source.SEARCH).run())
    checked(app.text_input(key=source.WORDS).set_value("LABEL 1.4").run())
    assert shown(app)["feature"].tolist() == ["1-4", *(f"1-{i}" for i in range(40, 48))]
    checked(app.text_input(key=source.WORDS).set_value("2-5, 3-1, 9-1").run())
    assert shown(app)["feature"].tolist() == ["2-5", "3-1"]
    checked(app.text_input(key=source.WORDS).set_value("nothing like it").run())
    assert "No label has all of these words" in texts(app)


def test_a_reading_gives_what_core_finds_and_can_be_filtered(visit):
    app = read(given(visit(edits=EDITS)))
    frame = shown(app).set_index("feature")
    engine = engines.get_engine(PAGE_MODEL)
    features = [Feature.parse(name) for name in EDITS.split(",")]
    found = read_about(engine, listed(), "mine", features, read_labels(engine.spec.labels))
    for feature in features:
        row = frame.loc[str(feature)]
        assert row["role"] == found.role(feature)
        assert row["verdict"] == found.tests.verdict(found.place[feature])
        assert row["area"] == pytest.approx(float(found.tests.area[found.place[feature]].max()))
    assert not [button for button in app.button if button.key == "features_read"], "it is read"
    kept = meanings.meaning_of(engine_key(engine))
    for feature, place in ((one, found.place[one]) for one in features):
        known, answers = kept(feature), found.tests.answers[place]
        assert known is not None and known.role == found.role(feature), "audit cards say what was read"
        assert list(known.categories.values()) == found.tests.rate[place][answers].tolist()
    assert kept(Feature(1, 63)) is None
    some = frame["role"].iloc[0]
    checked(app.multiselect(key=rows.ROLE).set_value([some]).run())
    assert set(shown(app)["role"]) == {some}


def test_every_view_of_a_reading_is_drawn(visit):
    app = read(given(visit(edits=EDITS)))
    for view, says in (
        (views.CARDS, "Ablating it moves the refusal score by"),
        (views.MAP, "Each mark is a feature"),
        (views.GROUPS, "Give two groups one name"),
        (views.PAPER, "Shuffled: the same with the categories"),
    ):
        checked(app.segmented_control(key=views.VIEW).set_value(view).run())
        assert says in texts(app).replace("\\", ""), view


def test_a_label_with_too_few_others_is_said_to_have_no_verdict_in_table_and_card(visit, monkeypatch):
    engine, prompts_read = engines.get_engine(PAGE_MODEL), listed()
    firing = read_firing(engine, [*prompts_read.texts, *prompts_read.contrast])
    some = [f for f in firing.features if FEWEST <= (firing.own([f]) > 0).sum() <= firing.prompts - FEWEST][:2]
    monkeypatch.setattr("core.semantics.about.SHUFFLED_WITH", 0)
    app = read(given(visit(edits=",".join(map(str, some)))))
    (said,) = set(shown(app)["better"])
    number = said.removeprefix("too few labels to compare with (").removesuffix(")")
    assert 2 <= int(number) <= 4
    assert filtered(shown(app), Filters(better_than_chance=True)).empty
    checked(app.segmented_control(key=views.VIEW).set_value(views.CARDS).run())
    assert texts(app).count(plain(f"for shuffled labels: {said}")) == 2
    checked(app.segmented_control(key=views.VIEW).set_value(views.PAPER).run())
    assert plain(f"No rate of labels: {said}, as at least 20 are needed") in texts(app)


def test_a_card_puts_its_feature_into_the_active_set(visit):
    app = visit(edits="1-3")
    checked(app.segmented_control(key=source.SOURCE).set_value(source.SEARCH).run())
    checked(app.text_input(key=source.WORDS).set_value("2-7").run())
    checked(app.segmented_control(key=views.VIEW).set_value(views.CARDS).run())
    checked(app.button(key="features_add_list_2-7").click().run())
    assert workspace(app).words == ("1-3", "2-7")
    assert app.button(key="features_add_list_2-7").disabled


def test_a_list_is_saved_under_its_name_and_chosen_again(visit):
    app = visit(edits=EDITS)
    checked(app.button(key="features_save").click().run())
    assert "Type a name for the list first" in texts(app)
    app.text_input(key=lists.NAME).set_value("Three of *them*")
    checked(app.button(key="features_save").click().run())
    (saved,) = Audits(store.shared_store()).saved_sets(PAGE_MODEL)
    assert (saved.name, saved.edits) == ("Three of *them*", EDITS)
    checked(app.segmented_control(key=source.SOURCE).set_value(source.A_LIST).run())
    assert shown(app)["feature"].tolist() == EDITS.split(",")


def test_an_exported_list_is_imported_again_and_another_models_is_refused(visit):
    app = visit(edits=EDITS)
    engine = engines.get_engine(PAGE_MODEL)
    text = lists.exported(engine, read_labels(engine.spec.labels), "Mine", [Feature(1, 3), Feature(2, 7)])
    checked(app.file_uploader(key=lists.UPLOAD).set_value(("mine.json", text.encode(), "application/json")).run())
    assert shown(app)["feature"].tolist() == ["1-3", "2-7"] and "Imported as “Mine”" in texts(app)
    changed = lists.exported(engine, read_labels(engine.spec.labels), "Mine", [Feature(1, 3)]).encode()
    checked(app.file_uploader(key=lists.UPLOAD).set_value(("mine.json", changed, "application/json")).run())
    assert shown(app)["feature"].tolist() == ["1-3"]
    assert "Imported as “Mine (2)”, because another set is called “Mine”. It has 1 feature." in texts(app).replace(
        "\\", ""
    )
    assert [one.name for one in Audits(store.shared_store()).saved_sets(PAGE_MODEL)] == ["Mine (2)", "Mine"]
    other = text.replace(PAGE_MODEL, "gpt2-small").encode()
    checked(app.file_uploader(key=lists.UPLOAD).set_value(("mine.json", other, "application/json")).run())
    assert "Load that model first" in texts(app)


def test_a_file_without_categories_is_one_sentence(visit):
    app = visit(edits=EDITS)
    checked(app.segmented_control(key=prompts.FROM).set_value(prompts.FILE).run())
    app.file_uploader(key=prompts.HARMFUL).set_value(("list.txt", b"one\ntwo", "text/plain")).run()
    assert not app.exception and "has no categories" in app.error[0].value.replace("\\", "")


def test_a_file_is_checked_and_what_is_left_out_is_said(visit):
    app = visit(edits=EDITS)
    rows = [{"prompt": text, "category": name} for text, name in HARMFUL]
    rows += [{"prompt": 12345, "category": "a"}, {"prompt": "bro\ufffdken", "category": "a"}]
    rows += [{"prompt": HARMFUL[0][0].upper(), "category": "b"}]
    checked(app.segmented_control(key=prompts.FROM).set_value(prompts.FILE).run())
    data = json.dumps(rows, ensure_ascii=False).encode()
    checked(app.file_uploader(key=prompts.HARMFUL).set_value(("f.json", data, "application/json")).run())
    told = texts(app).replace("\\", "")
    assert "20 of 23 prompts kept; dropped: 1 not text, 1 duplicate, 1 damaged." in told and "row 22: damaged" in told
    assert "In several categories: 1 prompt." in " ".join(one.value for one in app.warning).replace("\\", "")
    old = "".join(f'"{text} é","{name}"\n' for text, name in HARMFUL)
    data = f"prompt,category\n{old}".encode("cp1252")
    checked(app.file_uploader(key=prompts.HARMFUL).set_value(("f.csv", data, "text/csv")).run())
    assert "was read as cp1252" in " ".join(one.value for one in app.warning)


def test_labels_are_shown_as_text(visit, page_spec, monkeypatch):
    bad = "<b>[x](http://x)</b> :red[hot] $y$"
    monkeypatch.setattr(ShippedNotes, "label", lambda self, feature: bad)
    app = visit(edits="1-3")
    checked(app.segmented_control(key=views.VIEW).set_value(views.CARDS).run())
    assert plain("label 1.3") in texts(app) and bad not in texts(app)


def test_filters_on_what_was_not_read_hold_of_nothing():
    frame = pd.DataFrame({"feature": ["1-3"], "label": ["a"], "group": ["g"], "layer": [1], "kind": ["other"]})
    assert len(filtered(frame, Filters())) == len(filtered(frame, Filters(layers=[1], groups=["g"]))) == 1
    better = frame.loc[[0, 0, 0]].assign(better=["yes", "no", "too few labels to compare with (4)"])
    assert filtered(better, Filters(better_than_chance=True))["better"].tolist() == ["yes"]
    for by in (
        Filters(roles=["template"]),
        Filters(better_than_chance=True),
        Filters(search="zzz"),
        Filters(layers=[2]),
    ):
        assert filtered(frame, by).empty


def test_charts_hold_every_number_and_say_it_in_words(on_page_model):
    engine = engines.get_engine(PAGE_MODEL)
    feature = Feature(1, 3)
    found = read_about(engine, listed(), "mine", [feature], no_labels())
    values = found.firing.own([feature])[:, 0]
    drawn = charts.histogram(found, feature).data
    assert drawn["prompts"].sum() == (values > 0).sum()
    assert f"fires on {int((values[:20] > 0).sum())} of 20 harmful" in charts.histogram_words(found, feature)
    assert "a " in charts.category_words(found, feature) and "b " in charts.category_words(found, feature)
    frame = pd.DataFrame(
        {"feature": ["1-3", "1-4"], "layer": [1, 1], "label": ["x", "y"], "group": ["g", ""], "prompts": [2.0, None]}
    )
    mapped = charts.feature_map(frame, "group", ["g", "none"]).data
    assert mapped["row"].tolist() == ["g", "none"] and mapped["needed"].tolist() == [2, 1]
    assert charts.map_words(frame, "group").endswith("g 1, none 1")
