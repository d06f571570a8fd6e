"""Questions that part late have the numbers that each has alone on the slow path."""

import pytest
import torch

from core import Edits
from core.forward.branches import unedited_branches
from core.forward.token_budget import at_most
from tests.oracles import PROMPTS, slow

CLOSE = {"rtol": 1e-4, "atol": 1e-4}  # float32 sums in another order


@pytest.mark.parametrize("budget", [1, 60, 4096])
@pytest.mark.parametrize("families", [PROMPTS, PROMPTS[:1], PROMPTS[:1] * 2])
def test_prompts_that_part_late_have_the_logits_of_the_slow_path(tiny, plain, tiny_saes, families, budget):
    members = (" Is it so?", " And why is it so, then?")
    prompts = [[tiny.prompt(text + member) for member in members] for text in families]
    seen = set()
    with at_most(budget):
        for chunk, member, logits in unedited_branches(tiny.runtime, prompts):
            for family, row in zip(chunk, logits, strict=True):
                expected = slow(plain, tiny_saes, prompts[family][member], Edits()).logits[-1]
                torch.testing.assert_close(row, expected, **CLOSE)
                seen.add((family, member))
    assert len(seen) == len(members) * len(families)
