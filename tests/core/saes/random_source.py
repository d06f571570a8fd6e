"""An SAE to pack that can be slow, and can fail."""

from __future__ import annotations

import time

import torch

from core.saes.columns import Columns
from core.saes.formats.normal_form import SaeFile

D_MODEL, D_SAE = 4, 50
IDENTITY = {"name": "here", "size": 7}


class Source:
    """An SAE of random numbers that counts what is read of it, and can fail at a block."""

    def __init__(self, fails_at=None, seconds=0.0, seed=0):
        draw = torch.Generator().manual_seed(seed)
        self.parts = Columns(
            *(torch.randn(D_SAE, *width, generator=draw) for width in ((D_MODEL,), (D_MODEL,), (), ()))
        )
        self.fails_at, self.seconds, self.read = fails_at, seconds, []

    def __call__(self):
        return SaeFile(D_MODEL, D_SAE, torch.arange(4.0), True, "float32", "", self.block)

    def block(self, start, stop):
        if start == self.fails_at:
            raise OSError(28, "No space left on device")
        time.sleep(self.seconds)
        self.read.append(start)
        return Columns(*(part[start:stop] for part in self.parts))

    @property
    def bytes(self):
        encoder, decoder, bias, threshold = self.parts
        return torch.cat([encoder, decoder, bias[:, None], threshold[:, None]], 1).numpy().tobytes()
