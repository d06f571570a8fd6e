"""Evaluations in the store: written cell by cell, gone on with, never mixed up, and with their own model only."""

import json
from dataclasses import replace

import pytest

from cache.store.database import Store
from cache.store.defences import Defences
from core import Edits, Engine, Feature, InputError
from core.answers.rule_judges import verdicts_of
from core.defence import ATTACKS, Evaluation, wrap
from core.edits.items import Sensor
from core.prompts.references import Reference
from tests.oracles import PROMPTS
from tests.replaced_files import with_other_sae, with_other_weights

ASKED = Evaluation(
    "the active set",
    (Feature(2, 5), Feature(3, 7)),
    (None, 4.5),
    tuple(PROMPTS[:2]),
    tuple(PROMPTS[2:3]),
    (),
    base="1-3,direction",
    positions="instruction",
    when=Sensor(Feature(1, 2), 0.5),
    tokens=4,
    references=(Reference(PROMPTS[1], "A small town.", 0.5, 3, "a person"),),
)


@pytest.fixture
def defences(tmp_path):
    return Defences(Store(tmp_path / "defences.duckdb"))


def test_what_was_asked_and_found_comes_back_equal(defences, tiny):
    name = defences.create(tiny, ASKED)
    cells = list(defences.carry_out(tiny, name))
    assert [(cell.clamp, cell.group) for cell in cells] == ASKED.places
    defences.store.close()
    again = Defences(Store(defences.store.path))
    assert again.get(name).asked == ASKED and [one.defence for one in again.all("tiny")] == [name]
    assert again.found(name) == {(cell.clamp, cell.group): cell.verdicts for cell in cells}
    assert again.gaps(name) == {(cell.clamp, cell.group): cell.gaps for cell in cells if cell.gaps}
    assert set(again.gaps(name)) == {(0, "attacked"), (1, "attacked")}
    base = Edits.from_text(ASKED.base, tiny.direction())
    held = Edits.clamp(ASKED.features, 4.5, "instruction", when=(Feature(1, 2), 0.5))
    said = tiny.answers(ASKED.harmful, [base + held], 4)
    assert again.found(name)[1, "attacked"] == tuple(
        verdicts_of(tiny.judge, ASKED.prompts["attacked"], [text for (text,) in said])
    )


def test_an_evaluation_goes_on_with_its_own_versions_only(defences, tiny):
    """Its cells have no place for a second set of versions, and it is done again in minutes."""
    name = defences.create(tiny, ASKED)
    defences.store.rows("update defences set versions = 'hydrascope 0.0'")
    with pytest.raises(InputError, match=r"another set of versions \(hydrascope 0.0, now hydrascope"):
        list(defences.carry_out(tiny, name))
    assert defences.found(name) == {}


def test_a_wrapped_request_is_asked_inside_its_attack():
    asked = replace(ASKED, base="", wrapping=ATTACKS[-1].name)
    assert asked.prompts["attacked"] == tuple(wrap(ATTACKS[-1], text) for text in asked.harmful)
    assert asked.prompts["benign"] == ASKED.benign and "look-alikes" not in asked.prompts
    with pytest.raises(InputError, match="no attack “nowhere”"):
        _ = replace(ASKED, wrapping="nowhere").prompts


def test_only_what_is_left_is_done(defences, tiny, monkeypatch):
    name = defences.create(tiny, ASKED)
    cells = defences.carry_out(tiny, name)
    first = next(cells)
    cells.close()
    assert set(defences.found(name)) == {(first.clamp, first.group)}
    asked, answers = [], tiny.answers
    monkeypatch.setattr(tiny, "answers", lambda *given: asked.append(given) or answers(*given))
    assert [(c.clamp, c.group) for c in defences.carry_out(tiny, name)] == ASKED.places[1:]
    assert len(asked) == len(ASKED.places) - 1
    assert list(defences.carry_out(tiny, name)) == []


def test_cells_of_two_evaluations_are_kept_apart(defences, tiny):
    first, second = (defences.create(tiny, ASKED) for _ in range(2))
    next(defences.carry_out(tiny, first))
    assert defences.found(second) == {} and [one.defence for one in defences.all("tiny")] == [second, first]
    assert defences.all("another") == []


def test_another_model_s_evaluation_is_refused_in_a_sentence(defences, tiny):
    name = defences.create(tiny, ASKED)
    other = Engine(replace(tiny.runtime, spec=replace(tiny.spec, name="other")), "for a test")
    other.use_direction(tiny.direction())
    with pytest.raises(InputError, match="another model"):
        next(defences.carry_out(other, name))
    with pytest.raises(InputError, match="no evaluation “nowhere”"):
        defences.get("nowhere")


def test_an_evaluation_goes_on_with_its_own_files_only(defences, tiny):
    name = defences.create(tiny, ASKED)
    for other, what in ((with_other_weights(tiny), "other model files"), (with_other_sae(tiny, 3), "layer 3")):
        with pytest.raises(InputError, match=what):
            next(defences.carry_out(other, name))
    next(defences.carry_out(tiny, name))


def test_an_evaluation_from_before_reference_answers_has_none():
    older = json.loads(ASKED.to_json())
    del older["references"]
    assert Evaluation.from_json(json.dumps(older)) == replace(ASKED, references=())
