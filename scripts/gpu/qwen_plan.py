"""What is trained for Qwen2.5-Coder-1.5B-Instruct, in which order, on which prompts: data and one function.

Knows: layers, widths, sizes that suit one large GPU, which prompts train and which are held out. Does not train.
"""

from __future__ import annotations

from pathlib import Path

from core.prompts.shipped import prompts_file, read_shipped
from core.training.pipeline import Texts, Work
from core.training.settings import TrainingSettings

NAME = "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF, qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
LAYERS = (8, 11, 13, 15, 17, 19, 21, 25)
#: (layer, width, seed), most wanted first: a whole path in the shipped width, a second seed, then wider ones.
JOBS = (
    *((layer, 2048, 0) for layer in (15, 13, 17, 11, 19, 21, 8)),
    (15, 2048, 1),
    *((layer, 4096, 0) for layer in (15, 13, 17, 11, 19)),
    (25, 2048, 0),
    (15, 4096, 1),
    (21, 4096, 0),
    (8, 4096, 0),
)
SETTINGS = TrainingSettings(
    layers=LAYERS,
    k=64.0,
    tokens=2_000_000,
    held_out_tokens=150_000,
    passes=4.0,
    batch=4096,
    learning_rate=1e-3,
    warm_up_steps=100,
    dead_after_steps=120,
    answer_tokens=96,
    answers_each=4,
    checkpoint_steps=100_000,
)
GPU = Work(tokens=65_536, answers=1024)
#: Tokens a forward pass of a card, whose logits take the whole vocabulary.
CARD = Work(tokens=8192)


def texts(data: Path, smoke: bool) -> Texts:
    """Bundled training prompts and Arditi et al.'s training splits; held out: the bundled rest and their validation splits."""
    bundled = read_shipped(prompts_file())

    def lines(name: str, most: int | None = None) -> list[str]:
        return [line for line in (data / name).read_text().splitlines() if line.strip()][:most]

    harmful = [p.text for p in bundled if p.kind == "harmful" and p.split == "train"] + lines("harmful_train.txt")
    others = [p.text for p in bundled if p.kind != "harmful" and p.split == "train"]
    held = [p.text for p in bundled if p.split != "train"] + lines("harmful_val.txt") + lines("harmless_val.txt", 600)
    if smoke:
        return Texts(harmful[:4] + others[:4], held[:4], harmful[:2])
    taken = set(held)
    train = [
        text for text in dict.fromkeys(harmful + others + lines("harmless_train.txt", 10_000)) if text not in taken
    ]
    return Texts(train, held, [text for text in dict.fromkeys(harmful) if text not in taken])
