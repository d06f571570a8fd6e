"""The strip that Audit, Hydra and BOS share, without a browser, on the tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.answers import thoughts
from pages.shared.text import plain
from tests.conftest import opened

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["audit", "hydra", "bos"])
def test_every_page_says_where_the_score_is_not_about_the_answer(on_page_model, monkeypatch, name):
    page = str(ROOT / "pages" / name / "page.py")
    said = "Thinking is on, so the refusal score is read where the thoughts begin."
    assert not [one for one in opened(page).caption if "Thinking is on" in one.value]
    monkeypatch.setattr(thoughts, "score_note", lambda runtime, prompt: said)
    app = opened(page, prompt="A prompt whose note is not remembered yet")
    assert not app.exception and len([one for one in app.caption if plain(said) in one.value]) == 1
