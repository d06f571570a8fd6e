"""Whether a model can apply edits is asked of a few numbers, and costs nothing but that."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import Edits, Engine, Feature, InputError
from core.edits.direction import make_direction
from core.edits.validation import ModelShape, check_edits, named_features
from core.saes.device_cache import Residency
from tests.oracles import PROMPTS

SHAPE = ModelShape({1: 48, 3: 10}, d_model=8, n_layers=4)


def direction(layer=1, width=8):
    return make_direction(torch.ones(width), layer=layer)


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        (Edits.ablate([Feature(2, 5)]), r"Layer 2 has no SAE here, so feature 2-5 .* Layers with an SAE: 1, 3"),
        (Edits.ablate([Feature(3, 10)]), r"Feature 3-10 does not exist: the SAE of layer 3 has 10 features \(0 to 9\)"),
        (Edits.clamp([Feature(3, 1)], 1.0, when=(Feature(1, 48), 0.5)), "Feature 1-48 does not exist"),
        (Edits.ablate_direction(direction(width=9)), "9 numbers .* 8"),
        (Edits.add_direction(direction(layer=4), 1.0), "layers 0 to 3"),
        (Edits.ablate_direction(direction()) + Edits.ablate_direction(make_direction(torch.arange(8.0), 1)), "two dir"),
        (
            Edits.ablate_direction(direction(), "bos") + Edits.ablate_direction(direction(), "last", strength=0.5),
            "“direction@bos” and “direction\\*0.5@last” ablate the direction twice",
        ),
    ],
)
def test_what_a_model_does_not_have_is_one_plain_error(edits, words):
    with pytest.raises(InputError, match=words):
        check_edits([Edits(), edits], [], SHAPE)


def test_what_a_model_has_is_accepted():
    sensor = Edits.clamp([Feature(3, 9)], 1.0, when=(Feature(1, 47), 0.5))
    check_edits([Edits(), sensor, Edits.ablate_direction(direction())], [Feature(1, 0)], SHAPE)
    added = Edits.add_direction(direction(), 1.0, "bos") + Edits.add_direction(direction(), 2.0, "last")
    check_edits([Edits.ablate_direction(direction(), "bos") + added], [], SHAPE)
    with pytest.raises(InputError, match="Layer 0"):
        check_edits([sensor], [Feature(0, 0)], SHAPE)


def test_edited_watched_and_consulted_features_are_named_once_each():
    sets = [Edits.ablate([Feature(3, 2), Feature(3, 4)]), Edits.clamp([Feature(3, 2)], 1.0, when=(Feature(1, 7), 0.5))]
    assert named_features(sets, [Feature(3, 9), Feature(3, 4)]) == {3: {2, 4, 9}, 1: {7}}


def test_a_check_reads_no_record_and_evicts_nothing(tiny):
    """The records are not even there; what a visitor's last edit put on the device stays."""
    gone = {n: replace(one, path=Path("no such file")) for n, one in tiny.runtime.dictionaries.items()}
    kept = Residency(budget=2 * (2 * 32 + 2) * 4)  # room for two columns
    kept.columns(tiny.runtime.dictionaries[1], (3, 4), torch.device("cpu"))
    before = kept.held
    engine = Engine(replace(tiny.runtime, dictionaries=gone, residency=kept), "for a test")
    many = [Edits.ablate([Feature(layer, index)]) for layer in (1, 2, 3) for index in range(48)]
    for edits in many:
        engine.check(edits)
    engine.generate(PROMPTS[0], many[0])
    engine.stream_many([PROMPTS[0]], many)
    with pytest.raises(InputError, match="Feature 1-48"):
        engine.check(Edits.ablate([Feature(1, 48)]))
    with pytest.raises(FileNotFoundError):
        engine.measure(PROMPTS[0], many[0])  # the same edits, where they have to be compiled
    assert kept.held == before > 0
    held = kept.columns(replace(tiny.runtime.dictionaries[1]), (3, 4), torch.device("cpu"))
    assert kept.held == before and held.encoder.shape == (2, 32)
