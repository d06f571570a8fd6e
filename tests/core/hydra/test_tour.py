"""The guided tour's example: each part is what is measured alone, a stored one comes back as it went, and a file that
is damaged or another model's is never taken for this one's.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from cache.store.provenance import provenance
from core import AssetError, Edits, Feature
from core.hydra import hold_parts, matters_by, refresh, repair_with_controls
from core.hydra.as_json import DIGITS, from_json, to_json
from core.hydra.tour import PARTS, Example, Measured, measure, measure_part
from core.hydra.tour_file import IDENTITY, MOST_BYTES, About, StoredTour, read_tour, sae_files_digest, write_tour
from core.models.registry import find_spec
from core.prompts.shipped import read_shipped
from tests.oracles import PROMPTS

EXAMPLE = Example(PROMPTS[1], Edits.ablate([Feature(1, n) for n in range(12)]), 2)
SHIPPED = ("demo", "qwen2.5-coder-1.5b-instruct")


@pytest.fixture(scope="module")
def stored(tiny) -> StoredTour:
    facts = asdict(provenance(tiny)) | {"sae_files": sae_files_digest(tiny.spec)}
    facts = {name: facts[name] for name in About._fields if name in facts}
    about = About(**facts, made="2026-01-01", command="a test", chosen="One prompt.", more="Nowhere.")
    return StoredTour(about, EXAMPLE, measure(tiny, EXAMPLE))


@pytest.fixture
def path(stored, tmp_path):
    write_tour(tmp_path / "tour.json", stored)
    return tmp_path / "tour.json"


def test_each_part_is_what_is_measured_alone(tiny, stored):
    prompt, edits = EXAMPLE.prompt, EXAMPLE.edits
    found = stored.measured
    alone = repair_with_controls(tiny, prompt, edits)
    assert found.repair.found.blocks.equals(alone.found.blocks) and len(found.repair.controls) == len(alone.controls)
    assert found.held is not None
    assert found.held.score == hold_parts(tiny, prompt, edits, alone.found.restoring(2)).score
    woken = refresh(tiny, prompt, edits)
    assert found.woken.marks.equals(woken.marks)
    assert found.matters.equals(matters_by(tiny, prompt, edits, woken))
    written = tiny.answers([prompt], [Edits(), edits])[0]
    assert [one.answer for one in found.answers] == [str(one) for one in written]
    assert found.answers.after.score == pytest.approx(tiny.measure([prompt], [edits]).refusal_score[0, 0])


def test_a_stored_tour_comes_back_as_it_went(stored, path):
    again = read_tour(path)
    assert again.about == stored.about and again.example == stored.example
    assert to_json(again.measured.repair) == to_json(stored.measured.repair)
    for part in ("answers", "held", "matters", "dose"):
        assert to_json(getattr(again.measured, part)) == to_json(getattr(stored.measured, part))
    woken = stored.measured.woken
    assert to_json(again.measured.woken.marks) == to_json(woken.marks.drop(columns="token"))
    columns = ["layer", "index", "position", "bos_only"]
    assert again.measured.woken.woken[columns].equals(woken.woken[columns])
    assert path.stat().st_size < MOST_BYTES


def test_numbers_keep_their_digits():
    value = from_json(np.ndarray, to_json(np.array([1 / 3, -12345.678, 1e-9])), "values")
    assert value == pytest.approx([1 / 3, -12345.678, 1e-9], rel=10.0 ** (1 - DIGITS))


def test_nothing_above_the_edit_leaves_no_part_to_hold(tiny):
    assert measure_part(tiny, EXAMPLE._replace(edits=Edits.ablate([Feature(3, 0)])), "held") is None


@pytest.mark.parametrize("fact", IDENTITY)
def test_another_models_tour_is_not_this_ones(stored, fact):
    facts = {name: getattr(stored.about, name) for name in IDENTITY}
    assert stored.belongs_to(facts)
    assert not stored.belongs_to(facts | {fact: "another"})


def test_sae_files_that_changed_have_another_digest(tiny, tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"one")
    spec = replace(tiny.spec, saes={1: tmp_path})
    before = sae_files_digest(spec)
    (tmp_path / "weights.safetensors").write_bytes(b"two")
    assert before and sae_files_digest(spec) != before


def removed(made, *names):
    """The file's values without the one that these names lead to."""
    inner = made
    for name in names[:-1]:
        inner = inner[name]
    del inner[names[-1]]
    return made


def changed(made, value, *names):
    """The file's values with another one in that place."""
    inner = made
    for name in names[:-1]:
        inner = inner[name]
    inner[names[-1]] = value
    return made


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda made: removed(made, "measured", "answers", "after", "score"), "lacks “score”"),
        (lambda made: changed(made, None, "measured", "answers", "after", "score"), "“score” lacks a number"),
        (lambda made: removed(made, "measured", "repair", "found", "blocks", "mlp"), "“blocks” lacks “mlp”"),
        (lambda made: removed(made, "measured", "woken", "marks", "layer"), "“marks” lacks “layer”"),
        (lambda made: made["measured"]["dose"]["score"].pop() and made, "differ in length"),
        (lambda made: changed(made, [1.0, None], "measured", "held", "score_control"), "lacks a number"),
        (lambda made: removed(made, "measured"), "missing"),
        (lambda made: removed(made, "about", "saes"), "lacks “saes”"),
        (lambda made: changed(made, 7, "example", "prompt"), "“prompt” is no str"),
        (lambda made: changed(made, "9", "format"), "layout"),
        (lambda made: [made], "layout"),
    ],
)
def test_a_damaged_file_is_one_sentence(path, damage, said):
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    with pytest.raises(AssetError, match=r"tour\.json cannot be read") as caught:
        read_tour(path)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "null", "\x00"])
def test_no_json_is_one_sentence(path, text):
    path.write_text(text)
    with pytest.raises(AssetError, match="Restore the file"):
        read_tour(path)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_tour_belongs_to_what_is_shipped(name):
    spec = find_spec(name)
    assert spec.tour is not None and spec.tour.stat().st_size < MOST_BYTES
    tour = read_tour(spec.tour)
    assert tour.about.model == name and tour.about.revision == spec.revision
    assert tour.about.sae_files == sae_files_digest(spec)
    assert spec.prompts is not None
    assert tour.example.prompt in {row.text for row in read_shipped(spec.prompts) if row.split == "test"}
    assert set(PARTS) == set(Measured.__dataclass_fields__)
    assert {feature.layer for feature in tour.example.edits.features} <= set(spec.layers)


def test_an_empty_table_survives():
    assert from_json(pd.DataFrame, to_json(pd.DataFrame())).empty
