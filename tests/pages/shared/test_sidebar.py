"""The sidebar is the same on every page, and tells earlier audits apart."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from cache.engines import get_engine
from cache.store.audits import Audit, Audits
from cache.store.database import shared_store
from pages.shared.sidebar import outcome
from pages.shared.text import plain
from tests.conftest import PAGE_MODEL, opened, workspace
from tests.replaced_files import with_other_sae

APP = str(Path(__file__).resolve().parents[3] / "app.py")
PAGES = ("discover", "hydra", "bos", "judges", "features", "study", "models")
ROW = Audit(
    datetime(2026, 11, 27), PAGE_MODEL, "", "float32", "cpu", "", "How to pick a lock?", "1-1,1-2,2-3",
    8.84, -2.83, 0.9, 0.1, None, 0, "refused", "complied", 32,
)  # fmt: skip


def test_an_outcome_is_what_was_done_and_what_came_of_it():
    assert outcome(ROW) == "3 edits · +8.8 → −2.8 · complied"
    assert outcome(replace(ROW, edits="1-1", verdict_after="")) == "1-1 · +8.8 → −2.8"
    assert outcome(replace(ROW, edits="1-1=2.5@template")) == "1 edit · +8.8 → −2.8 · complied"
    assert outcome(replace(ROW, edits="", verdict_after="refused")) == "no edit · +8.8 · refused"
    other = replace(ROW, edits="", verdict_after="refused", turns='["Hi","Hello"]', thinking=True)
    assert outcome(other) == "after 2 turns · thinking · no edit · +8.8 · refused"


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_the_model_and_the_recent_audits(on_page_model, name):
    Audits(shared_store()).append(ROW)
    app = opened(APP)
    app = app.switch_page(f"pages/{name}/page.py").run()
    side = app.sidebar
    assert not app.exception and any(f"Model {plain(PAGE_MODEL)}" in caption.value for caption in side.caption)
    keys = [button.key for button in side.button]
    assert keys[0] == "recent_0" and side.toggle(key="audit_keep_answers") is not None
    row = next(button for button in side.button if "pick a lock" in button.label)
    app = row.click().run()
    assert not app.exception and workspace(app).words_on == ("1-1", "1-2", "2-3")
    assert workspace(app).prompt == ROW.prompt and app.title[0].value == "Audit a refusal"


def test_audits_of_other_files_stand_under_what_they_are_of(on_page_model):
    audits, digests = Audits(shared_store()), get_engine(PAGE_MODEL).runtime.digests
    other = with_other_sae(get_engine(PAGE_MODEL), 2).runtime.digests
    for prompt, found in (("loaded now", digests), ("replaced", other)):
        audits.append(replace(ROW, prompt=prompt, weights=found.weights, sae_digests=found.sae_text))
    audits.append(replace(ROW, prompt="old row"))
    app = opened(APP).switch_page("pages/models/page.py").run()
    labels = [button.label.partition(" :")[0] for button in app.sidebar.button if button.key.startswith("recent_")]
    assert labels == ["loaded now", "old row", "replaced"]
    captions = [caption.value for caption in app.sidebar.caption]
    assert captions[1:] == [
        "Files of model and SAEs were not kept:",
        "With other SAEs (layer 2) under this model’s name:",
    ]
