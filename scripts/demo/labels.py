"""Labels for every demo feature without a network: top activating tokens in context, and tokens its decoder promotes.

Knows: training conversations. Writes one small parquet file, made by `core.labels.making` as labels of any other model are.
"""

import argparse

import pandas as pd
from chats import conversations
from common import ASSETS, WORK

from core import load
from core.labels.making import label_blocks, sample_residuals
from core.labels.sample import Sample


def sample(engine, tokens: int) -> Sample:
    """Conversations of prompts that were trained on, behind the template's fixed prefix."""
    chats = conversations(WORK, engine, "train", tokens, 2)
    return Sample(tuple((*chats.prefix, *ids) for ids in chats.rows), len(chats.prefix))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=40_000)
    options = parser.parse_args()
    engine = load("demo")
    read = sample(engine, options.tokens)
    found = sample_residuals(engine, read, engine.spec.layers)
    assert found is not None  # nobody cancels it
    frames = []
    for layer, x in found.items():
        frames += label_blocks(engine, read, layer, x)
        print(f"labels of layer {layer}", flush=True)
    labels = pd.concat(frames, ignore_index=True)
    labels.to_parquet(ASSETS / "labels.parquet", compression="zstd", compression_level=19, index=False)


if __name__ == "__main__":
    main()
