"""Hook points by every name that they go by."""

from __future__ import annotations

import pytest

from core.saes.formats.config import residual_layer


@pytest.mark.parametrize(
    ("hook", "layer"),
    [
        ("blocks.7.hook_resid_post", 7),
        ("blocks.7.hook_resid_pre", 6),
        ("model.layers.2", 2),
        ("layers.2", 2),
        ("model.layers.2.output", 2),
        ("model.language_model.layers.2", 2),
        ("transformer.h.11", 11),
        ("gpt_neox.layers.3", 3),
        ("model.layers.2.mlp", None),
        ("model.layers.2.self_attn.output", None),
        ("model.layers.2.input_layernorm", None),
        ("blocks.7.hook_mlp_out", None),
        ("model.embed_tokens", None),
        ("", None),
    ],
)
def test_the_layer_after_which_a_hook_reads_the_residual_stream(hook, layer):
    assert residual_layer(hook) == layer
