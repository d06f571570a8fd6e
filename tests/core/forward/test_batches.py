"""Every way of making a pass finds the same numbers; scores and answers are compared with the slow path elsewhere."""

import pytest
import torch

from core import Edits, Feature
from core.forward.batches import logits_everywhere, read_below_head, read_tokens, run
from core.forward.passes import PassRequest
from tests.oracles import PROMPTS, slow

LAYERS = frozenset({1, 2, 3})
CLOSE = {"rtol": 1e-4, "atol": 1e-4}  # float32 sums in another order


def test_a_prompt_is_read_alike_in_a_batch_below_the_head_and_as_plain_tokens(tiny):
    prompt, plan = tiny.prompt(PROMPTS[1]), tiny.runtime.plan([Edits()])
    (batch,) = run(tiny.runtime, plan, [prompt], PassRequest(residuals=LAYERS))
    request = PassRequest(residuals=LAYERS, stop_after=max(LAYERS))
    below = read_below_head(tiny.runtime, plan, prompt, request)
    plain = read_tokens(tiny.runtime, plan, prompt.ids, request)
    for layer in LAYERS:
        assert torch.equal(batch.current.residuals[layer], below.residuals[layer])
        assert torch.equal(below.residuals[layer], plain.residuals[layer])


def test_sets_read_below_the_head_part_at_the_lowest_edited_layer(tiny, plain, tiny_saes):
    prompt, edits = tiny.prompt(PROMPTS[0]), Edits.ablate([Feature(2, index) for index in range(0, 48, 3)])
    found = read_below_head(
        tiny.runtime, tiny.runtime.plan([Edits(), edits]), prompt, PassRequest(residuals=LAYERS, stop_after=3)
    ).residuals
    assert {layer: len(x) for layer, x in found.items()} == {1: 1, 2: 2, 3: 2}
    for row, one in enumerate((Edits(), edits)):
        torch.testing.assert_close(found[3][row], slow(plain, tiny_saes, prompt, one).before[3], **CLOSE)


@pytest.mark.parametrize("edits", [Edits(), Edits.clamp([Feature(1, 3), Feature(3, 30)], 4.0)])
def test_logits_at_every_position_are_those_of_the_slow_path(tiny, plain, tiny_saes, edits):
    prompts = [tiny.prompt(text) for text in PROMPTS]
    ids, logits = logits_everywhere(tiny.runtime, tiny.runtime.plan([edits]), prompts)
    for row, prompt in enumerate(prompts):
        assert tuple(ids[row, : len(prompt)].tolist()) == prompt.ids
        torch.testing.assert_close(logits[row, : len(prompt)], slow(plain, tiny_saes, prompt, edits).logits, **CLOSE)
