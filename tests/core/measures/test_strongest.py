"""Which tokens a feature promotes stands on the final norm's gain; the rest is tested with labels, which it serves."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import Gemma2Config
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm

from core import AssetError
from core.measures.strongest import final_gain


class Halves(nn.Module):
    """A norm of a kind nobody knows."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x):
        return x * self.weight / 2


def test_the_final_norm_s_gain_whatever_its_kind():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(16, generator=generator)
    gemma, layer = Gemma2RMSNorm(16, eps=Gemma2Config().rms_norm_eps), nn.LayerNorm(16)
    with torch.no_grad():
        gemma.weight.copy_(weight)
        layer.weight.copy_(weight)
        layer.bias.copy_(torch.randn(16, generator=generator))
    for norm, expected in ((gemma, 1 + weight), (layer, weight), (Halves(weight), weight / 2)):
        torch.testing.assert_close(final_gain(SimpleNamespace(model=SimpleNamespace(norm=norm))), expected)
    with pytest.raises(AssetError, match="no final norm"):
        final_gain(SimpleNamespace())
