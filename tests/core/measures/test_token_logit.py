"""The read-out of a logit against the model's own norm and head, their weights random."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers

from core import InputError
from core.measures.token_logit import token_logit
from core.models.architecture import final_norm

SMALL = {"vocab_size": 40, "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 8}
KINDS = {
    "Llama": SMALL,
    "Gemma2": SMALL | {"head_dim": 8},
    "GPTNeoX": SMALL,
    "Cohere": SMALL,
    "GPT2": {"vocab_size": 40, "n_layer": 1, "n_head": 2, "n_embd": 16},
}


def runtime_of(name):
    """As much of a runtime as is needed, over a model whose final norm and head are random."""
    torch.manual_seed(2)
    config = getattr(transformers, f"{name}Config")(**KINDS[name])
    model = getattr(transformers, f"{name}LMHeadModel" if name == "GPT2" else f"{name}ForCausalLM")(config).eval()
    with torch.no_grad():
        for one in (*final_norm(model).parameters(), model.get_output_embeddings().weight):
            one.copy_(torch.randn_like(one))
    return SimpleNamespace(
        model=model, d_model=16, dtype=torch.float32, device=torch.device("cpu"), spec=SimpleNamespace(name=name)
    )


@pytest.mark.parametrize("name", KINDS)
def test_the_value_is_the_models_own(name):
    runtime = runtime_of(name)
    found = token_logit(runtime, [3, 7])
    h = 0.5 + 3 * torch.randn(6, 16)
    with torch.inference_mode():
        logits = runtime.model.get_output_embeddings()(final_norm(runtime.model)(h))
    expected = (logits[:, [3, 7]].mean(-1) - logits.mean(-1)).numpy()
    np.testing.assert_allclose(found.value(h.numpy()), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_with_the_scale_kept_it_is_linear_and_agrees_where_the_scale_is_the_same(name):
    found, (h, other) = token_logit(runtime_of(name), [5]), np.random.default_rng(0).normal(size=(2, 16))
    toward = found.frozen(h)
    assert found.value(h[None])[0] == pytest.approx(toward @ h + found.constant)
    centred = other - other.mean() if found.centred else other
    own = h - h.mean() if found.centred else h
    same = other * np.sqrt((own @ own) / (centred @ centred))
    assert found.value(same[None])[0] == pytest.approx(toward @ same + found.constant, rel=1e-4)


def test_what_is_no_norm_or_no_token_is_said():
    runtime = runtime_of("Llama")
    for tokens in ([], [40], [-1]):
        with pytest.raises(InputError, match="no tokens of this model"):
            token_logit(runtime, tokens)
    runtime.model.model.norm = torch.nn.Tanh()
    with pytest.raises(InputError, match="neither an RMS norm nor a layer norm"):
        token_logit(runtime, [1])
