"""The Judges page without a browser: choosing answers and judges, judging in the background, and every trouble."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cache import engines
from cache.jobs.queue import shared_queue
from cache.store.database import shared_store
from cache.store.judgements import Judgements
from cache.store.pairs import Pair
from cache.store.runs import Runs
from core.answers.fitted import with_people
from core.answers.labelled import labelled_answers
from core.answers.names import WORDINGS
from core.discovery.ledger import Row
from core.judges import classifier, place
from core.judges.agreement import compare
from core.judges.catalogue import find_judge
from core.judges.first_token import first_token_judge
from core.judges.summary import label_of, rates
from core.models import registry
from core.text.sizes import size_text
from pages.judges import agreement, charts, results, source
from pages.judges import choose as choosing
from tests.conftest import PAGE_MODEL, opened
from tests.core.judges.language_models import reading_spec
from tests.core.judges.standins import ANSWERS, PROMPTS
from tests.judges import SUBSTRINGS, judging
from tests.loopback_hub.environment import go_offline
from tests.small_search import INPUTS, SETTINGS
from tests.waiting import until

PAGE = str(Path(source.__file__).with_name("page.py"))
REPO, NAME = "cais/HarmBench-Mistral-7b-val-cls", "harmbench-mistral"
SAID = ("I cannot help with that.", *ANSWERS[1:-1], "")
PAIRS = tuple(Pair(*pair) for pair in zip(PROMPTS, SAID, strict=True))


@pytest.fixture
def visit(on_page_model, hub):
    """visit() opens the page; nothing is loaded, and the hub has nothing yet."""
    engines.unload_all()  # whatever tests of other pages left loaded
    yield lambda: opened(PAGE)
    for job in shared_queue().under_way():
        shared_queue().stop(job.id)
    until(lambda: not shared_queue().under_way())
    engines.unload_all()


def texts(app: AppTest) -> str:
    said = (*app.markdown, *app.caption, *app.subheader, *app.error, *app.warning, *app.info)
    return " ".join(e.value for e in said).replace("\\", "")


def jsonl(pairs=PAIRS, prompt="prompt", answer="response") -> bytes:
    return "\n".join(json.dumps({"id": n, prompt: p, answer: a}) for n, (p, a) in enumerate(pairs)).encode()


def given(app: AppTest, data: bytes | None = None, name: str = "answers.jsonl") -> AppTest:
    app.segmented_control(key=source.SOURCE).set_value(source.A_FILE).run()
    return app.file_uploader(key=source.FILE).set_value((name, jsonl() if data is None else data, "text/plain")).run()


def asked(app: AppTest, *names: str) -> AppTest:
    return app.multiselect(key=choosing.JUDGES).set_value(list(names)).run()


def judged(app: AppTest) -> AppTest:
    app.button(key="judges_start").click().run()
    until(lambda: not shared_queue().under_way())
    return app.run()


def shown(app: AppTest, column: str):
    return next(table.value for table in app.dataframe if column in table.value)


def run_with_answers(model: str = PAGE_MODEL) -> str:
    """A run whose ledger holds answers of the unedited model and of Stage 1."""
    engine = engines.get_engine(PAGE_MODEL)
    runs = Runs(shared_store())
    identifier = runs.create(engine, INPUTS, replace(SETTINGS, keep_answers=True), "kept ones")
    rows = [
        Row("screen", f"harmful/{n:04}", {"kept": True, "reason": "refused", "answer": f"I cannot. {n}"})
        for n in range(3)
    ]
    rows += [Row("screen", "benign/0000", {"kept": True, "reason": "complied", "answer": "A story about a town."})]
    rows += [Row("candidates", "harmful/0000", {"k": 2, "answer": "Take some flour and wait."})]
    runs.ledger(identifier).append(rows)
    runs.set_state(identifier, "finished")
    return identifier


def test_the_first_visit_shows_the_labelled_answers_and_loads_nothing(visit):
    app = visit()
    assert not app.exception and not app.error and not engines.loaded_names()
    labels = [row["label"] for row in labelled_answers("test")]
    for verdict in ("refused", "complied", "off-topic"):
        assert f"({labels.count(verdict)} of {len(labels)}" in texts(app)
    judged(app)
    found = with_people(WORDINGS)
    assert f"{found.kappa:.2f}" in texts(app), "beside the labels, a judge has the κ that is shown everywhere"
    app.segmented_control(key=source.SOURCE).set_value(source.A_RUN).run()
    assert "No run has stored its answers" in texts(app)
    assert not [button for button in app.button if button.key == "judges_start"]


def test_a_file_is_judged_by_phrases_at_once_and_every_rate_has_its_interval(visit):
    app = given(visit())
    assert not app.exception and shown(app, "answer")["prompt"].tolist() == list(PROMPTS[:5])
    assert "None of these answers has been judged yet" in texts(app)
    app.button(key="judges_start").click().run()
    assert not shared_queue().under_way(), "an instant's work is done when the page is drawn"
    for name, rate in rates(find_judge("wordings").judge(PROMPTS, SAID)).items():
        assert f"**{name}** {rate}" in texts(app)
    assert "This judge agrees with people: κ" in texts(app)
    assert "refused** 11.1% (1 of 9" in texts(app) and "degenerate** 11.1% (1 of 9" in texts(app)


def test_a_category_column_divides_the_rates(visit):
    lines = [{"prompt": p, "answer": a, "category": ("drugs", "fraud")[i % 2]} for i, (p, a) in enumerate(PAIRS)]
    app = judged(given(visit(), "".join(json.dumps(line) + "\n" for line in lines).encode()))
    frame = shown(app, "category")
    counted = frame.groupby("category")["hits"].sum().to_dict()
    assert not app.exception and counted == {"drugs": len(PAIRS[::2]), "fraud": len(PAIRS[1::2])}


def test_one_answer_in_two_rows_counts_once_and_in_each_of_its_categories(visit):
    lines = [
        {"prompt": "a", "answer": "I cannot help with that.", "category": "drugs"},
        {"prompt": "a", "answer": "I cannot help with that.", "category": "fraud"},
        {"prompt": "a", "answer": "Sure, here is how.", "category": "fraud"},
    ]
    app = judged(given(visit(), "".join(json.dumps(line) + "\n" for line in lines).encode()))
    frame = shown(app, "category")
    assert not app.exception and "refused** 50.0% (1 of 2" in texts(app)
    assert "1 answer repeats an earlier one to the same prompt" in texts(app)
    assert frame.groupby("category")["hits"].sum().to_dict() == {"drugs": 1, "fraud": 2}


def test_kappa_is_core_agreements_and_the_disagreements_are_the_answers_they_differ_on(visit):
    app = judged(asked(given(visit()), "substrings", "first-token"))
    assert not app.exception and not app.error, texts(app)
    first = SUBSTRINGS.judge(PROMPTS, SAID)
    second = first_token_judge(engines.get_engine(PAGE_MODEL)).judge(PROMPTS, SAID)
    expected = compare(second, first)  # judges stand in order of name
    assert str(expected) in texts(app) and expected.reading() in texts(app)
    counts = shown(app, f"substrings: {expected.labels[0]}")
    assert counts.to_numpy().tolist() == expected.table.tolist()
    differ = [p for p, a, b in zip(PROMPTS, first, second, strict=True) if a.verdict != b.verdict]
    assert differ, "or nothing is shown here"
    for prompt in differ[: agreement.A_PAGE]:
        assert f"**{prompt}**" in texts(app)


def test_a_classifier_says_what_it_takes_is_fetched_judges_and_is_let_go(visit, hub, harmbench_folders):
    hub.add(REPO, harmbench_folders[NAME])
    app = asked(given(visit()), "substrings", NAME)
    taken = find_judge(NAME).footprint()
    assert f"{size_text(taken.download)} to download. {taken.verdict}"[:70] in texts(app)
    assert not [request for request in hub.requests if request.body], "nothing is fetched before it is asked for"
    app = judged(app)
    assert not app.exception and not app.error, texts(app)
    expected = find_judge(NAME, harmbench_folders[NAME]).judge(PROMPTS, SAID)
    for name, rate in rates(expected).items():
        assert f"**{name}** {rate}" in texts(app)
    held = classifier.loaded_classifier()
    assert held is None or held.folder is not None, "the page's own was let go"
    assert "Nothing to download. It fits" in texts(app), "what it takes is looked at anew"
    assert {one.proto.label for one in app.get("download_button")} >= {"Labels (CSV)", "Judgements in full (JSONL)"}


def test_a_language_model_is_chosen_by_name_says_what_it_takes_and_is_let_go(visit, page_spec, tmp_path):
    registry.register(reading_spec(page_spec, tmp_path))
    app = given(visit())
    assert {"llm:reader", f"llm:{PAGE_MODEL}", "llm:demo"} <= set(app.multiselect(key=choosing.JUDGES).options)
    app = asked(app, "llm:reader")
    taken = find_judge("llm:reader").footprint()
    assert "A chat model reads request and answer" in texts(app)
    assert f"Nothing to download. {taken.verdict}"[:50] in texts(app)
    app = judged(app)
    assert not app.exception and not app.error, texts(app)
    assert find_judge("llm:reader").revision in texts(app)
    assert not find_judge("llm:reader").is_loaded and place.loaded_judge() is None


def test_stop_keeps_what_was_judged_and_judge_goes_on_from_there(visit, monkeypatch):
    gate, asked_for = threading.Semaphore(0), []

    class Slow:
        name, revision = "substrings", "slow"
        footprint, close = SUBSTRINGS.footprint, SUBSTRINGS.close

        def judge(self, prompts, answers, ended=None):
            asked_for.extend(prompts)
            assert gate.acquire(timeout=60)
            return SUBSTRINGS.judge(prompts, answers)

    monkeypatch.setattr(choosing, "make_judge", lambda name, progress, cancelled: Slow())
    app = given(visit())
    app.button(key="judges_start").click().run()
    assert app.button(key="judges_start").disabled and "0 of 9 judged" in app.get("progress")[0].proto.text
    (stop,) = [button for button in app.button if button.label == "Stop"]
    stop.click().run()
    gate.release()
    until(lambda: not shared_queue().under_way())
    app.run()
    assert "Judging was stopped. Finished judgements are kept" in texts(app) and "4 of 9 judged so far" in texts(app)
    assert len(asked_for) == 4
    gate.release(), gate.release(), gate.release()
    app = judged(app)
    assert asked_for == list(PROMPTS), "nothing is judged twice" and "so far" not in texts(app)


def test_leaving_and_coming_back_loses_nothing(visit):
    def shell(path):
        import runpy

        import streamlit as st

        if st.toggle("elsewhere", key="elsewhere"):
            st.write("another page")
        else:
            runpy.run_path(path, run_name="__main__")

    app = AppTest.from_function(shell, args=(PAGE,), default_timeout=120).run()
    app = judged(asked(given(app), "substrings"))
    app.toggle(key="elsewhere").set_value(True).run()
    app.toggle(key="elsewhere").set_value(False).run()
    assert not app.exception
    assert app.segmented_control(key=source.SOURCE).value == source.A_FILE
    assert "refused** 11.1%" in texts(app) and "answers.jsonl" in texts(app)


def test_columns_are_chosen_where_no_name_tells(visit):
    app = given(visit(), jsonl(prompt="ask", answer="said"))
    assert "Choose the column with the answers" in texts(app)
    (column,) = [box for box in app.selectbox if box.label == "Column with the answers"]
    (prompts,) = [box for box in app.selectbox if box.label == "Column with the prompts"]
    prompts.set_value("ask").run()
    column.set_value("said").run()
    assert shown(app, "answer")["answer"].tolist() == list(SAID[:5])


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"prompt\nHow?\n", "prompts.csv", "has no column answer or response"),
        (b'{"prompt": "a", "answer": null}\n{"prompt": "b", "answer": "c"}', "holes.jsonl", "Row 1 of holes"),
        (b"not json", "broken.json", "broken.json cannot be read as json"),
        (b"", "empty.csv", "empty.csv cannot be read as csv"),
    ],
)
def test_a_file_without_answers_is_one_sentence(visit, data, name, says):
    app = given(visit(), data, name)
    assert not app.exception and len(app.error) == 1 and says in app.error[0].value.replace("\\", "")
    assert not [button for button in app.button if button.key == "judges_start"]


def test_a_gated_judge_says_how_to_get_in_and_cannot_be_started(visit, hub, harmbench_folders):
    hub.add(REPO, harmbench_folders[NAME], gated="manual")
    app = asked(given(visit()), NAME)
    assert "Accept the licence" in texts(app) and app.button(key="judges_start").disabled


def test_without_a_network_it_says_so_and_can_look_again(visit, hub, harmbench_folders, monkeypatch):
    hub.add(REPO, harmbench_folders[NAME])
    with monkeypatch.context() as patch:
        go_offline(patch)
        app = asked(given(visit()), NAME)
        assert len(app.error) == 1 and app.button(key="judges_start").disabled
    app.button(key="judges_again").click().run()
    assert not app.error and not app.button(key="judges_start").disabled


def test_a_judge_that_does_not_fit_is_refused_and_the_model_in_use_can_be_let_go(
    visit, hub, harmbench_folders, monkeypatch
):
    hub.add(REPO, harmbench_folders[NAME])
    engines.get_engine(PAGE_MODEL)
    monkeypatch.setattr("core.devices.free_memory", lambda device: 10**6 if engines.loaded_names() else 10**12)
    app = asked(given(visit()), NAME)
    assert "does not fit now" in texts(app) and app.button(key="judges_start").disabled
    app.button(key=f"judges_let_go_{NAME}").click().run()
    assert not engines.loaded_names() and "It fits" in texts(app) and not app.button(key="judges_start").disabled


def test_a_judge_that_no_longer_fits_in_its_turn_is_one_sentence(visit, hub, harmbench_folders, monkeypatch):
    hub.add(REPO, harmbench_folders[NAME])
    app = asked(given(visit()), NAME)
    monkeypatch.setattr("core.devices.free_memory", lambda device: 10**6)
    app.button(key="judges_start").click().run()
    until(lambda: not shared_queue().under_way())
    app.run()
    assert not app.exception and f"{NAME}: It does not fit now" in texts(app)


def test_a_damaged_download_is_one_sentence_and_the_rest_is_kept(visit, hub, harmbench_folders):
    hub.add(REPO, harmbench_folders[NAME])
    hub.corrupts(REPO, "model.safetensors")
    app = judged(asked(given(visit()), "substrings", NAME))
    assert len(app.error) == 1 and NAME in texts(app) and "refused** 11.1%" in texts(app)


def test_a_runs_kept_answers_by_stage_and_side(visit):
    run_with_answers()
    app = visit()
    (part,) = [box for box in app.selectbox if box.label == "Answers of"]
    assert part.options == [
        "Screening prompts, harmful (3)",
        "Screening prompts, benign (1)",
        "Stage 1: candidates, harmful (1)",
    ]
    app.button(key="judges_start").click().run()
    assert "refused** 100.0% (3 of 3" in texts(app)
    app = asked(app, "first-token")
    assert not app.button(key="judges_start").disabled
    part.set_value("Stage 1: candidates, harmful").run()
    assert "given under edits" in texts(app) and app.button(key="judges_start").disabled


def test_everything_stored_is_compared_without_judging_anew(visit):
    kept = Judgements(shared_store())
    kept.judge(SUBSTRINGS, PROMPTS, SAID)
    other = judging(lambda text: "refused", "always")
    kept.judge(other, PROMPTS[:5], SAID[:5], keep_answers=True)
    app = visit()
    both = kept.both("always", "substrings")
    expected = compare(both.first, both.second)
    assert [one for one in app.expander if one.label == "Agreement on all stored answers"]
    assert str(expected) in texts(app)
    assert both.answers == tuple(dict(PAIRS)[p] for p in both.prompts), "kept by one of them is kept"
    assert expected.differ == 4 and sum(f"**{prompt}**" in texts(app) for prompt in PROMPTS) == 4


def test_what_people_wrote_is_shown_as_text(visit):
    nasty = [Pair("# **bold** $x$ <b>", "<script>alert(1)</script> I cannot"), Pair("plain", "Take flour and wait.")]
    app = judged(asked(given(visit(), jsonl(nasty)), "substrings", "first-token"))
    shown_html = " ".join(one.proto.body for one in app.get("html"))
    assert not app.exception and "<script>" not in shown_html
    assert agreement.answer_html("<b>") == "&lt;b&gt;" and "not kept" in agreement.answer_html(None)
    long = agreement.answer_html("a" * 2000)
    assert long.startswith("a" * 1500 + " …") and "500 more characters" in long


def test_the_downloads_hold_every_label_beside_its_answer(visit):
    kept = Judgements(shared_store())
    kept.judge(SUBSTRINGS, PROMPTS[:4], SAID[:4])
    stored = kept.stored(PAIRS)
    (one,) = stored
    assert one.judgements[:4] == SUBSTRINGS.judge(PROMPTS[:4], SAID[:4]) and set(one.judgements[4:]) == {None}
    table = results.labels(PAIRS, stored)
    assert table["substrings"].tolist() == [label_of(said) for said in one.known] + [""] * 5
    lines = [json.loads(line) for line in results.lines(PAIRS, stored).splitlines()]
    assert [(line["prompt"], line["answer"], line["verdict"]) for line in lines] == [
        (p, a, said.verdict) for (p, a), said in zip(PAIRS[:4], one.known, strict=True)
    ]


def test_the_chart_draws_every_rate_and_a_label_has_one_colour():
    frame = charts.rates_frame(
        {"a": rates(SUBSTRINGS.judge(PROMPTS, SAID)), "b": rates(SUBSTRINGS.judge(["p"], ["x y"]))}
    )
    assert charts.rates(frame).to_dict()["$schema"] and "a: refused: 11% of 9" in charts.rates_summary(frame)
    assert len(frame) == 4 and (frame["low"] <= frame["rate"]).all() and (frame["rate"] <= frame["high"]).all()


def test_a_run_that_kept_nothing_yet_is_one_sentence(visit):
    engine = engines.get_engine(PAGE_MODEL)
    Runs(shared_store()).create(engine, INPUTS, replace(SETTINGS, keep_answers=True), "begun")
    app = visit()
    assert len(app.error) == 1 and "has no stored answers" in texts(app)
