"""Self-repair beside its controls: each draw against self-repair under it alone, and every kind of edit has one."""

import pytest

from core import Edits
from core.edits.items import DirectionEdit
from core.hydra import matched_edits, repair_with_controls, self_repair
from core.hydra.control_edits import controls_for
from core.hydra.repair_controls import DRAWS
from tests.oracles import PROMPTS

PROMPT = PROMPTS[1]


def alone(engine, draws):
    return [self_repair(engine, PROMPT, [one])[0].total for one in draws]


def test_for_ablated_features_it_is_what_is_matched(tiny):
    edits = Edits.from_text("1-3,2-4")
    found = repair_with_controls(tiny, PROMPT, edits)
    known = matched_edits(tiny, PROMPT, edits)
    assert [one.total for one in found.controls] == pytest.approx(alone(tiny, known.draws), abs=1e-5)
    assert (found.matched, found.removes, found.about) == (known.matched, known.removes, "")


@pytest.mark.parametrize("text", ["direction", "direction,2-4", "1-3=6,2-4", "1-3=6@last"])
def test_every_other_kind_has_a_counterpart_in_each_draw(tiny, text):
    edits = Edits.from_text(text, tiny.direction())
    found, drawn = repair_with_controls(tiny, PROMPT, edits), controls_for(tiny, PROMPT, edits, 0)
    assert len(found.controls) == DRAWS and found.about == drawn.about
    assert [one.total for one in found.controls] == pytest.approx(alone(tiny, drawn.draws), abs=1e-5)
    for draw in drawn.draws:
        assert len(draw.directions) == len(edits.directions) and len(draw.items) == len(edits.items)
        assert not set(draw.features) & set(edits.features)
        turned = [item for item in draw if isinstance(item, DirectionEdit)]
        assert all(item.direction.vector is not tiny.direction().vector for item in turned)
    for kind, said in (("direction", "random directions"), ("=6", "clamped alike"), ("2-4", "features of the same")):
        assert (said in found.about) == (kind in text) or kind == "2-4"
