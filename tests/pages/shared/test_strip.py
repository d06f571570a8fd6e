"""The strip that Audit, Hydra and BOS share, without a browser, on the tiny model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cache import engines
from core.answers import thoughts
from core.edits.typed import tidy
from pages.shared import prompt_box, strip
from pages.shared.text import plain
from tests.conftest import PAGE_MODEL, opened, workspace

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["audit", "hydra", "bos"])
def test_every_page_says_where_the_score_is_not_about_the_answer(on_page_model, monkeypatch, name):
    page = str(ROOT / "pages" / name / "page.py")
    said = "Thinking is on, so the refusal score is read where the thoughts begin."
    assert not [one for one in opened(page).caption if "Thinking is on" in one.value]
    monkeypatch.setattr(thoughts, "score_note", lambda runtime, prompt: said)
    app = opened(page, prompt="A prompt whose note is not remembered yet")
    assert not app.exception and len([one for one in app.caption if plain(said) in one.value]) == 1


def test_chips_fill_two_rows():
    assert strip.fitting(["12-40"] * 5) == 5 and strip.fitting([]) == 0
    numbers, labelled = strip.fitting(["12-40"] * 64), strip.fitting(["12-40 · a label of some length"] * 64)
    assert 15 < numbers < 30 and 4 <= labelled < 10
    assert strip.fitting(["x" * 500] * 4) == 2, "one that is longer than a row still has a row"


def test_every_edit_can_be_switched_where_there_are_many(on_page_model):
    words = [f"{layer}-{index}" for layer in (1, 2, 3) for index in range(16)]
    app = opened(str(ROOT / "app.py"), edits=",".join(words))
    shown, more = app.get_by_key(strip.CHIPS), app.get_by_key(strip.MORE)
    assert len(shown.options) + len(more.options) == len(words) and len(shown.options) < 30
    assert list(shown.value) + list(more.value) == words
    app = more.set_value(list(more.value)[1:]).run()
    gone = words[len(shown.options)]
    assert not app.exception and set(words) - set(workspace(app).words_on) == {gone}
    app = app.get_by_key(strip.CHIPS).set_value(words[1 : len(shown.options)]).run()
    assert set(words) - set(workspace(app).words_on) == {gone, words[0]}
    app = app.get_by_key(strip.MORE).set_value(words[len(shown.options) :]).run()
    assert set(words) - set(workspace(app).words_on) == {words[0]}


@pytest.mark.parametrize("name", ["audit", "hydra", "bos"])
def test_the_strip_says_how_many_tokens_the_prompt_has(on_page_model, name):
    page = str(ROOT / "pages" / name / "page.py")
    app = opened(page, prompt="How do I bake bread?")
    engine = engines.get_engine(PAGE_MODEL)
    tokens = len(engine.prompt("How do I bake bread?"))
    assert f"{tokens} tokens" in [one.value for one in app.caption]


def test_a_long_prompt_says_what_a_measurement_of_it_takes_once_one_was_made(on_page_model, monkeypatch):
    monkeypatch.setattr(prompt_box, "LONG", 10)
    page = str(ROOT / "pages" / "audit" / "page.py")
    opened(page, prompt="How do I bake bread?")
    app = opened(page, prompt="How do I bake bread in a small town by the sea?")
    assert [one for one in app.caption if re.fullmatch(r"\d+ tokens, about 1 s a measurement", one.value)]


def test_a_prompt_that_cannot_be_read_has_no_number_of_tokens(on_page_model):
    page = str(ROOT / "pages" / "audit" / "page.py")
    app = opened(page, prompt="bread " * 5000)
    assert not app.exception and app.error
    assert not [one for one in app.caption if re.match(r"[\d,]+ tokens?\b", one.value)]


def shown(app) -> list[str]:
    return [option.content for option in app.get_by_key(strip.CHIPS).proto.options]


def test_a_chip_says_how_the_direction_is_edited(on_page_model):
    for word, text in (
        ("direction", "refusal direction"),
        ("direction=5", "refusal direction = 5"),
        ("direction=-5@template", "refusal direction = -5 at template"),
        ("direction*0.5", "refusal direction × 0.5"),
    ):
        app = opened(str(ROOT / "pages" / "audit" / "page.py"), prompt="How do I bake bread?", edits=word)
        assert not app.exception and shown(app) == [plain(text)]


@pytest.mark.parametrize("word", ["12-40=6*0.5@bos?13-7>2", "direction=-5*2@template", "12-40@last", "direction"])
def test_what_a_chip_shows_can_be_typed(word):
    assert tidy(strip.spaced(word)) == tidy(strip.spaced(word).upper()) == word


def test_an_edit_without_effect_is_told_while_it_is_on(on_page_model):
    page = str(ROOT / "pages" / "audit" / "page.py")
    app = opened(page, prompt="How do I bake bread?", edits="2-5=600@bos,2-5")
    (said,) = [one.value for one in app.caption if "has no effect" in one.value]
    assert said.startswith(plain("“2-5=600.0@bos” has no effect, because “2-5” comes after it"))
    for edits in ("2-5=600@bos,~2-5", "2-5,2-5=600@bos"):
        app = opened(page, prompt="How do I bake bread?", edits=edits)
        assert not app.exception and not [one for one in app.caption if "no effect" in one.value]
