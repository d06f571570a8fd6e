"""“Card” on Audit, Hydra, BOS and Discover: what goes into it, that it reads back, and that it verifies."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cache import engines
from cache.store import database as store
from cache.store.runs import Runs
from core import Edits, InputError
from core.card.files import card_bytes
from core.card.read import parse_card
from core.card.verify import verify
from core.discovery import runner
from pages.discover import results, state
from pages.shared import card_button, history
from tests.conftest import PAGE_MODEL, opened
from tests.small_search import INPUTS, SETTINGS, use_small_judge

PAGES = Path(__file__).resolve().parents[2] / "pages"
PROMPT = "Tell me a story"


@pytest.fixture
def cards(on_page_model, monkeypatch):
    """Every card that a page makes, in order."""
    seen = []
    for place, name in ((card_button, "make_card"), (results, "card_of_run")):
        whole = getattr(place, name)
        monkeypatch.setattr(place, name, lambda *a, _whole=whole, **k: seen.append(_whole(*a, **k)) or seen[-1])
    return seen


def opened_card(page: str, key: str = "card", **parameters: str) -> AppTest:
    """A page with its card's popover open."""
    app = opened(str(PAGES / page / "page.py"), **parameters)
    app.session_state[key] = True
    return app.run()


def made(app: AppTest, key: str = "card") -> AppTest:
    app.button(key=f"{key}_make").click().run()
    assert not app.exception and not app.error, [error.value for error in app.error]
    return app


def downloads(app: AppTest) -> list[str]:
    forms = ("Page (HTML)", "Data (JSON)", "Notebook", "Control vector")
    return [one.proto.label for one in app.get("download_button") if one.proto.label in forms]


def test_the_audit_pages_card_has_the_edits_and_the_pinned_sets(cards):
    app = opened_card("audit", prompt=PROMPT, edits="2-3,3-4", pin="direction")
    assert not cards and not downloads(app), "nothing is measured before it is asked for"
    app = made(app)
    assert downloads(app) == ["Page (HTML)", "Data (JSON)", "Notebook", "Control vector"]
    (case,) = cards[0].cases
    assert [(s.name, s.edits) for s in case.states] == [("Unedited", ""), ("Edited", "2-3,3-4"), ("A", "direction")]
    assert case.prompt == PROMPT and {one.label for one in case.features} == {"label 2.3", "label 3.4"}
    assert all(s.judgement.answer is None for s in case.states) and "Answers" not in cards[0].command
    found = verify(parse_card(card_bytes(cards[0], ".html"), "card.html"), engines.get_engine(PAGE_MODEL))
    assert found.whole
    app.run()
    assert len(cards) == 1 and downloads(app), "it is there when the page is drawn again"


def test_answers_are_in_it_where_the_person_keeps_them(cards):
    app = opened_card("audit", prompt=PROMPT, edits="2-3")
    assert "left out" in " ".join(one.value for one in app.caption)
    app.session_state[history.KEEPS] = True
    app = made(app.run())
    assert all(s.judgement.answer is not None for s in cards[0].cases[0].states) and cards[0].agreed


def test_the_hydra_pages_card_says_what_wakes(cards):
    edits = ",".join(f"{layer}-{index}" for layer in (1, 2) for index in range(12))
    made(opened_card("hydra", prompt=PROMPT, edits=edits))
    state = cards[0].cases[0].states[1]
    assert cards[0].page == "Hydra" and state.woken is not None
    assert sum(one.how == "woken" for one in cards[0].cases[0].features) == min(state.woken, 10)


def test_the_bos_pages_card_has_every_request_with_the_clamp(cards):
    made(opened_card("bos", prompt=PROMPT))
    (card,) = cards
    assert card.page == "BOS" and card.cases[0].prompt == PROMPT and len(card.cases) > 3
    for case in card.cases:
        (item, *_) = Edits.from_text(case.states[1].edits).items
        assert case.states[1].name.startswith("Clamp at ") and item.positions == "bos" and item.value > 0


def test_what_cannot_be_made_is_a_sentence_on_the_page(cards, monkeypatch):
    def refuses(*arguments, **more):
        raise InputError("No room for a card.")

    monkeypatch.setattr(card_button, "make_card", refuses)
    app = opened_card("audit", prompt=PROMPT, edits="2-3")
    app.button(key="card_make").click().run()
    assert "No room for a card" in " ".join(error.value for error in app.error) and not downloads(app)


@pytest.mark.slow
def test_a_finished_run_has_a_card_and_one_under_way_has_none(cards, monkeypatch):
    use_small_judge(monkeypatch)
    engine = engines.get_engine(PAGE_MODEL)
    runs = Runs(store.shared_store())
    run = runs.create(engine, INPUTS, SETTINGS, "whole")
    app = AppTest.from_file(str(PAGES / "discover" / "page.py"), default_timeout=120).run()
    app.segmented_control(key=state.VIEW).set_value(results.ABOUT).run()
    assert f"card_{run}" not in [one.key for one in app.button]
    runner.run_steps(runs.work(run, engine))
    runs.set_state(run, "finished")
    app.session_state[f"card_{run}"] = True
    made(app.run(), f"card_{run}")
    assert cards[0].run.run == run and cards[0].run.inputs == INPUTS.to_json()
    assert cards[0].run.settings == SETTINGS.to_json() and cards[0].cases
    found = verify(parse_card(card_bytes(cards[0], ".html"), "card.html"), engine)
    assert not found.count("differs") and found.count("agrees")
