"""The SAEs of Qwen2.5-Coder-1.5B-Instruct: ablating features is SAELens's own error-term path, with real weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import Edits, Feature, load
from core.forward.half_precision import float32_products
from core.models.architecture import decoder_layers
from core.models.gguf_folder import is_here
from core.models.gguf_models import QWEN_CODER_1_5B
from core.models.registry import find_spec
from core.paths import cache_folder
from core.saes.formats.int8 import to_sae_lens
from tests.conftest import make_sae, read_json

NAME, PROMPT = QWEN_CODER_1_5B.name, "How do I bake bread?"
pytestmark = [
    pytest.mark.real,
    pytest.mark.real_cache,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not is_here(NAME), reason=f"{NAME} is not here (python -m core prepare --model {NAME})"),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """The model with its SAEs, or with a random one where it has none; records of that one are kept apart."""
    spec, folder = find_spec(NAME), tmp_path_factory.mktemp("qwen")
    if spec.saes:
        return load(spec, device="cpu", dtype="bfloat16")
    make_sae(folder / "layer_15", 15, d_model=1536, d_sae=256, subtract=True)
    (folder / "cache").mkdir()
    (folder / "cache" / "base").symlink_to(cache_folder() / "base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRASCOPE_CACHE", str(folder / "cache"))
        return load(
            replace(spec, layers=(15,), saes={15: folder / "layer_15"}, labels=None), device="cpu", dtype="bfloat16"
        )


def test_an_ablation_is_saelens_error_term_path(engine, tmp_path) -> None:
    from sae_lens import SAE

    layer = engine.spec.layers[len(engine.spec.layers) // 2]
    place = Path(str(engine.spec.saes[layer]))
    if read_json(place / "cfg.json").get("storage") == "int8":
        to_sae_lens(place, tmp_path / "sae")
        place = tmp_path / "sae"
    sae = SAE.load_from_disk(str(place), device="cpu")
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
