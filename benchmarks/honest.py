"""Whether an unhooked forward may serve as a yardstick: nothing is compared with a forward that something slowed down.

A forward whose weights come from disk, or that shares its processor, makes whatever is timed beside it look fast. So the
products of matrices that the forward is made of are timed by themselves, in the same format and number of rows, on
weights that are in memory for certain; a forward that takes over `SLOWEST` times as long is no yardstick.
Knows: torch, a model's linear layers. Does not know: edits, engines.
"""

from __future__ import annotations

import gc
from typing import Any, NamedTuple

import torch

from benchmarks.timing import interleaved, median

SLOWEST = 2.0
#: Copies of a weight that are multiplied in turn, so that none is still in the processor's cache.
_COPIES = 8


class Yardstick(NamedTuple):
    """seconds: of the unhooked forward, median. allowed: what its products alone take at the measured rate. gflops: the
    rate, 10⁹ operations a second."""

    seconds: float
    allowed: float
    gflops: float

    @property
    def serves(self) -> bool:
        return self.seconds <= SLOWEST * self.allowed

    def sentence(self) -> str:
        """What was found, for the table."""
        times = self.seconds / self.allowed
        found = f"{times:.2f} x what its products take at {self.gflops:.0f} GFLOP/s"
        return found if self.serves else f"{found}: over {SLOWEST:.0f} x, so no ratio is printed"


def make_resident(model: torch.nn.Module) -> None:
    """Copy every weight out of the file that it is mapped from, one at a time, so that no forward reads a disk."""
    with torch.no_grad():
        for weight in (*model.parameters(), *model.buffers()):
            weight.data = weight.data.clone()
    gc.collect()


def last_logits(model: Any, ids: torch.Tensor, **named: Any) -> tuple[torch.Tensor, Any]:
    """[rows, vocabulary] at the last position, of the plain model on ids [rows, tokens], and what its layers give; the
    head's own scaling, which no product takes, is left out.

    The head reads contiguous rows. As transformers calls it, with `logits_to_keep=1`, torch takes a product of each row
    and copies the head's whole matrix for it: 8% of a forward of 64 rows of the demo, ten times the forward in bfloat16
    with a vocabulary of 256,000, and 19 GB there with 16 rows. A comparison with that flatters us.
    """
    out = model.model(ids, **named)
    return model.get_output_embeddings()(out.last_hidden_state[:, -1]), out


def operations(model: Any, rows: int, head_rows: int) -> int:
    """Operations of a forward's products over so many tokens, the head over so many; attention's own are left out."""
    head = model.get_output_embeddings()
    layers = [one for one in model.modules() if isinstance(one, torch.nn.Linear) and one is not head]
    return 2 * (rows * sum(one.weight.numel() for one in layers) + head_rows * head.weight.numel())


@torch.inference_mode()
def yardstick(model: Any, seconds: list[float], rows: int, head_rows: int, runs: int = 5) -> Yardstick:
    """seconds: of unhooked forwards over `rows` tokens. The rate is that of the widest layer of the model."""
    head = model.get_output_embeddings()
    layers = [one for one in model.modules() if isinstance(one, torch.nn.Linear) and one is not head]
    widest = max(layers, key=lambda one: one.weight.numel()).weight
    copies = [widest.clone() for _ in range(_COPIES)]
    x = torch.randn(rows, widest.shape[1], dtype=torch.float32).to(widest)
    each = interleaved({"products": lambda: [x @ one.T for one in copies]}, runs)["products"]
    rate = 2 * rows * widest.numel() * _COPIES / median(each)
    return Yardstick(median(seconds), operations(model, rows, head_rows) / rate, rate / 1e9)
