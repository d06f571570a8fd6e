"""Recovery on the Audit page without a browser: the figure, where it comes from, and giving a reference answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cache.store.audit_table import gap_of
from cache.store.audits import Audits
from cache.store.database import shared_store
from core import Edits, Feature
from core.measures.recovery import Gap
from core.models import registry
from core.prompts.references import Reference, write_references
from pages.audit import reference as section
from pages.shared import references
from pages.shared.history import described
from tests.cache.store.rows import audit
from tests.conftest import PAGE_MODEL, opened

APP = str(Path(__file__).resolve().parents[2] / "app.py")
PROMPT = "How do I bake bread?"
MINE = Reference(PROMPT, "Mix flour and water, then bake it.", 0.5, model="a person")
EDITS = Edits.ablate([Feature(2, 3), Feature(3, 4)])


@pytest.fixture
def shipped(on_page_model, page_spec, tmp_path):
    """The tiny model with a reference answer to one prompt."""
    write_references([MINE], tmp_path / "references.jsonl")
    registry.register(replace(page_spec, references=tmp_path / "references.jsonl"))


def checked(app):
    assert not app.exception and not [e.value for e in app.error if "a bug in Hydrascope" in e.value]
    return app


def recovery(app):
    """The figure, or None."""
    return next((metric for metric in app.metric if metric.label == "Recovery"), None)


def open_form(app):
    """An AppTest does not keep an expander open from run to run."""
    app.session_state["reference"] = True
    return checked(app.run())


def test_a_shipped_answer_gives_the_figure_and_no_edit_gives_none(shipped, tiny):
    app = checked(opened(APP, prompt=PROMPT, edits="2-3,3-4"))
    ((gap,),) = tiny.recovery([MINE], [EDITS])
    assert recovery(app).value == references.percent(gap)
    assert recovery(app).delta == f"NLL {gap.unedited:.2f} → {gap.edited:.2f}"
    assert recovery(checked(opened(APP, prompt=PROMPT))) is None
    shown = open_form(app)
    assert any(MINE.answer in element.value for element in shown.html)
    assert any("a person" in caption.value for caption in shown.caption)


def test_without_an_answer_the_page_says_how_to_give_one(on_page_model):
    app = checked(opened(APP, prompt=PROMPT, edits="2-3,3-4"))
    assert recovery(app) is None
    assert any("none for this prompt" in one.label for one in app.expander)
    assert any("A reference answer is what" in caption.value for caption in open_form(app).caption)


def test_a_pasted_answer_is_used_and_can_be_removed(on_page_model, tiny):
    app = open_form(checked(opened(APP, prompt=PROMPT, edits="2-3,3-4")))
    app.text_area(key=section.typed_key(PROMPT)).set_value("Mix it, then bake it.")
    checked(app.button(key="reference_use").click().run())
    ((gap,),) = tiny.recovery([Reference(PROMPT, "Mix it, then bake it.")], [EDITS])
    assert recovery(app).value == references.percent(gap) and "counted as 0" in recovery(app).help
    checked(open_form(app).button(key="reference_remove").click().run())
    assert recovery(app) is None
    open_form(app).text_area(key=section.typed_key(PROMPT)).set_value(" ")
    checked(app.button(key="reference_use").click().run())
    assert any("Type a reference answer first" in info.value for info in app.info)


def test_a_file_is_read_or_its_trouble_is_one_sentence(on_page_model, tiny):
    app = open_form(checked(opened(APP, prompt=PROMPT, edits="2-3,3-4")))
    bad = ("mine.jsonl", b'{"prompt": "How do I bake bread?"}', "application/json")
    app = app.file_uploader(key=section.FILE).set_value(bad).run()
    assert any("line 1 has no text under" in error.value for error in app.error)
    good = ("mine.jsonl", b'{"prompt": "How do I bake bread?", "answer": "Bake it.", "nll": 0.5}', "application/json")
    checked(app.file_uploader(key=section.FILE).set_value(good).run())
    checked(app.button(key="reference_use_file").click().run())
    ((gap,),) = tiny.recovery([Reference(PROMPT, "Bake it.", 0.5)], [EDITS])
    assert recovery(app).value == references.percent(gap)


def test_a_gap_in_words():
    assert references.percent(Gap(2.0, 1.0, 0.0)) == "50%" and references.percent(Gap(2.0, 3.0, 0.0)) == "−50%"
    assert (
        references.percent(Gap(2.0, 1.0, 0.0, True)) == "≥ 50%"
        and references.percent(Gap(2.0, 3.0, 0.0, True)) == "≤ −50%"
    )
    assert references.percent(Gap(2.0, 2.0, 0.0, True)) == "0%"
    assert references.percent(Gap(2.0, 1.0, 1.99)) == "no gap"


def test_what_the_page_shows_is_what_is_kept(shipped, tiny):
    app = checked(opened(APP, prompt=PROMPT, edits="2-3,3-4"))
    ((gap,),) = tiny.recovery([MINE], [EDITS])
    audits = Audits(shared_store())
    (row,) = audits.all(PAGE_MODEL)
    assert gap_of(row) == gap and row.reference_by == "a person"
    cost = next(metric for metric in app.metric if metric.label == "KL, benign")
    assert cost.value == f"{row.kl:.3f}" and row.kl_low <= row.kl <= row.kl_high
    assert cost.delta == f"{row.kl_low:.3f}–{row.kl_high:.3f}, n = {row.kl_prompts}"
    checked(app.run())
    assert audits.count() == 1, "a rerun without news appends nothing"

    open_form(app).text_area(key=section.typed_key(PROMPT)).set_value("Mix it, then bake it.")
    checked(app.button(key="reference_use").click().run())
    newest, *_ = audits.all(PAGE_MODEL)
    ((floor,),) = tiny.recovery([Reference(PROMPT, "Mix it, then bake it.")], [EDITS])
    assert gap_of(newest) == floor and newest.nll_floor and newest.reference_by == "a visitor"
    assert audits.count() == 2

    checked(app.chat_input[0].set_value("Tell me a story").run())
    (offered,) = [button for button in app.button if button.key == "recent_0"]
    assert f"recovery {references.percent(floor)} of an answer by a visitor to this prompt" in offered.help
    assert f"over {row.kl_prompts} benign prompts" in offered.help and "95% CI" in offered.help


def test_an_audit_from_before_says_no_kl_without_its_interval():
    old = replace(audit(edits="2-3"), kl_low=None, kl_high=None, nll_unedited=None, nll_edited=None)
    assert "KL" in described(audit(edits="2-3")) and "KL" not in described(old) and "recovery" not in described(old)
    assert "recovery" not in described(audit()), "without edits there is nothing to recover"


def test_an_answer_that_cannot_be_measured_does_not_keep_the_rest_from_being_kept(on_page_model, page_spec, tmp_path):
    long = Reference(PROMPT, "bake it " * 4000, 0.5)
    write_references([long], tmp_path / "references.jsonl")
    registry.register(replace(page_spec, references=tmp_path / "references.jsonl"))
    checked(opened(APP, prompt=PROMPT, edits="2-3"))
    (row,) = Audits(shared_store()).all(PAGE_MODEL)
    assert gap_of(row) is None and row.kl is not None and row.reference_by == ""


def test_a_visitor_s_answer_goes_before_a_shipped_one(shipped, tiny):
    app = open_form(checked(opened(APP, prompt=PROMPT, edits="2-3,3-4")))
    first = recovery(app).delta
    app.text_area(key=section.typed_key(PROMPT)).set_value("Tell me a story about a cat.")
    checked(app.button(key="reference_use").click().run())
    ((gap,),) = tiny.recovery([Reference(PROMPT, "Tell me a story about a cat.")], [EDITS])
    assert recovery(app).delta == f"NLL {gap.unedited:.2f} → {gap.edited:.2f}" != first
    checked(open_form(app).button(key="reference_remove").click().run())
    assert recovery(app).delta == first


def test_what_was_typed_stays_with_its_prompt_while_the_form_is_closed(on_page_model):
    app = open_form(checked(opened(APP, prompt=PROMPT)))
    checked(app.text_area(key=section.typed_key(PROMPT)).set_value("Half an answer").run())
    app.session_state["reference"] = False
    checked(app.run())
    assert not app.text_area
    checked(app.chat_input[0].set_value("Tell me a story").run())
    assert open_form(app).text_area(key=section.typed_key("Tell me a story")).value == ""
    checked(app.chat_input[0].set_value(PROMPT).run())
    assert open_form(app).text_area(key=section.typed_key(PROMPT)).value == "Half an answer"
