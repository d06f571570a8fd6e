"""The SAEs of Qwen2.5-Coder-1.5B-Instruct: ablating features is SAELens's own error-term path, with real weights."""

from __future__ import annotations

import pytest
import torch

from core import Edits, Feature, load
from core.models.architecture import decoder_layers
from core.models.gguf_folder import is_here
from core.models.gguf_models import QWEN_CODER_1_5B
from core.models.registry import find_spec
from core.saes.formats.int8 import to_sae_lens

NAME, PROMPT = QWEN_CODER_1_5B.name, "How do I bake bread?"
pytestmark = [
    pytest.mark.real,
    pytest.mark.real_cache,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not is_here(NAME), reason=f"{NAME} is not here (python -m core prepare --model {NAME})"),
]


@pytest.fixture(scope="module")
def engine():
    spec = find_spec(NAME)
    if not spec.saes:
        pytest.skip(f"{NAME} has no SAEs here (hydrascope saes train {NAME} --layers 15)")
    return load(spec, device="cpu", dtype="bfloat16")


def test_an_ablation_is_saelens_error_term_path(engine, tmp_path) -> None:
    from sae_lens import SAE

    from core.forward.half_precision import float32_products

    layer = engine.spec.layers[len(engine.spec.layers) // 2]
    to_sae_lens(engine.spec.saes[layer], tmp_path / "sae")
    sae = SAE.load_from_disk(str(tmp_path / "sae"), device="cpu")
    active = engine.features(PROMPT)
    rows = active[(active["layer"] == layer) & (active["position"] == active["position"].max())]
    chosen = rows.nlargest(5, "activation")["index"].tolist()

    def spliced(module, inputs, output):
        hidden = output[0] if isinstance(output, tuple) else output
        f = sae.encode(hidden.float())
        error, edited = hidden.float() - sae.decode(f), f.clone()
        edited[..., chosen] = 0
        new = (sae.decode(edited) + error).to(hidden.dtype)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    hook = decoder_layers(engine.model)[layer].register_forward_hook(spliced)
    try:
        with float32_products(), torch.inference_mode():
            theirs = engine.model(torch.tensor([engine.prompt(PROMPT).ids])).logits[0, -1].float().log_softmax(-1)
    finally:
        hook.remove()
    edits = Edits.ablate([Feature(layer, index) for index in chosen])
    plain, ours = (float(engine.measure(PROMPT, one).refusal_score[0, 0]) for one in (Edits(), edits))
    slow = float(torch.logit(theirs[list(engine.spec.refusal_tokens)].exp().sum().double()))
    print(f"refusal score: unedited {plain:.3f}, ablated {ours:.3f}, by SAELens {slow:.3f}")
    assert ours == pytest.approx(slow, abs=0.2)
