"""A prompt under several sets is read once below the lowest edit; the logits are those of rows that are read apart."""

import pytest
import torch

from core import Edits, Feature
from core.forward import growing
from core.forward.growing import Growing
from core.forward.token_budget import at_most
from tests.oracles import PROMPTS, slow

CLOSE = {"rtol": 1e-4, "atol": 1e-4}  # float32 sums in another order
SETS = [Edits.clamp([Feature(2, index), Feature(3, index + 1)], float(index % 3)) for index in range(4)]
#: The sensor is read below the layer at which the sets part.
CONDITION = Edits.from_text("2-5=3?1-4>0.01")


def logits(tiny, edits, rows, steps=3):
    """float32 [steps, rows, vocabulary]: at the prompts' ends, then after each of the same tokens."""
    under_way, found = Growing(tiny.runtime, tiny.runtime.plan(edits), rows), []
    for _ in range(steps):
        found.append(under_way.logits().float())
        under_way.append([7] * len(rows), range(len(rows)))
    return torch.stack(found)


@pytest.mark.parametrize("budget", [1, 40, 4096])
@pytest.mark.parametrize("edits", [SETS, [*SETS, CONDITION], [*SETS, Edits()]], ids=["sets", "condition", "no edit"])
def test_prompts_under_several_sets_have_the_logits_of_rows_apart(tiny, shapes, monkeypatch, edits, budget):
    prompts = sorted((tiny.prompt(text) for text in PROMPTS[:3]), key=len)
    rows = [(prompt, number) for prompt in prompts for number in range(len(edits))]
    with at_most(budget):
        shared = logits(tiny, edits, rows)
        read = [shape for shape in shapes if shape[1] > 1]
        monkeypatch.setattr(growing, "SETS_A_PROMPT", 1000)
        apart = logits(tiny, edits, rows)
    assert {rows for rows, _ in read} == {1} and {width for _, width in read} == {len(prompt) for prompt in prompts}
    torch.testing.assert_close(shared, apart, **CLOSE)


def test_they_are_those_of_the_slow_path(tiny, plain, tiny_saes):
    prompt = tiny.prompt(PROMPTS[0])
    (first,) = logits(tiny, SETS, [(prompt, number) for number in range(4)], 1)
    for row, edits in enumerate(SETS):
        torch.testing.assert_close(first[row], slow(plain, tiny_saes, prompt, edits).logits[-1], **CLOSE)


@pytest.mark.parametrize("edits", [SETS[:2], None], ids=["two sets", "a direction from the first layer on"])
def test_rows_that_share_too_little_are_read_together(tiny, shapes, edits):
    edits = edits or [Edits.ablate_direction(tiny.direction(), strength=strength) for strength in (0.25, 0.5, 1.0)]
    prompt = tiny.prompt(PROMPTS[0])
    logits(tiny, edits, [(prompt, number) for number in range(len(edits))], 1)
    assert shapes == [(len(edits), len(prompt))]
