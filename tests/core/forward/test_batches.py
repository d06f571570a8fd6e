"""Every way of making a pass finds the same numbers; scores and answers are compared with the slow path elsewhere."""

import numpy as np
import pytest
import torch

from core import Edits, Feature
from core.forward import batches
from core.forward.batches import logits_everywhere, read_below_head, read_tokens, run
from core.forward.passes import PassRequest
from core.forward.token_budget import at_most
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


SEVERAL = [
    Edits(),
    *(Edits.clamp([Feature(2, index), Feature(3, index + 1)], float(index % 3)) for index in range(4)),
    Edits.from_text("3-5=2?1-4>0.01"),  # its sensor is read where all sets still share one row
]
WATCHED = [Feature(1, 3), Feature(2, 5), Feature(3, 7)]


@pytest.mark.parametrize("budget", [1, 60, 4096])
@pytest.mark.parametrize("prefix", [True, False], ids=["a shared prefix", "none"])
def test_prompts_whose_sets_share_the_lower_layers_are_measured_as_rows_apart(
    tiny, shapes, monkeypatch, budget, prefix
):
    """Scores, cosines at every token, activations and the logits of a span."""
    if not prefix:
        monkeypatch.setattr(batches, "SHORTEST_PREFIX", 10_000)
    found = {}
    for tokens in (1, 10**9):
        monkeypatch.setattr(batches, "TOKENS_ALONE", tokens)
        shapes.clear()
        with at_most(budget):
            found[tokens] = tiny.measure(PROMPTS, SEVERAL, watch=WATCHED, every_token=True)
        assert ({rows for rows, _ in shapes} == {1}) is (tokens == 1 or budget == 1)
    shared, apart = found[1], found[10**9]
    for name in ("p_refusal", "refusal_score", "cosine", "token_cosine", "activations"):
        np.testing.assert_allclose(getattr(shared, name), getattr(apart, name), rtol=1e-4, atol=1e-4, err_msg=name)
    assert len({*apart.refusal_score[0].round(6)}) > 3


def test_spans_of_logits_are_the_same_either_way(tiny, monkeypatch):
    prompts, plan = [tiny.prompt(text) for text in PROMPTS[:2]], tiny.runtime.plan(SEVERAL)
    spans = [(len(prompt) - 3, len(prompt)) for prompt in prompts]
    found = {}
    for tokens in (1, 10**9):
        monkeypatch.setattr(batches, "TOKENS_ALONE", tokens)
        found[tokens] = {
            (p, e): batch.logits[row]
            for batch in run(tiny.runtime, plan, prompts, heads=spans)
            for row, (p, e) in enumerate(zip(batch.prompts, batch.edits, strict=True))
            if batch.logits.shape[1]
        }
    assert found[1].keys() == found[10**9].keys() and len(found[1]) == 2 * len(SEVERAL)
    for key, logits in found[1].items():
        torch.testing.assert_close(logits, found[10**9][key], **CLOSE)
