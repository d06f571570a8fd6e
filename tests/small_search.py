"""A search over few prompts with small settings, which takes a second on the tiny model, and a judge for it.

A random model refuses nothing, so this judge goes by the answer's letters: what matters is that it is a function. Where
a run finds its judge by name, `small_judge` puts this one in the place of the usual one.
"""

from __future__ import annotations

import time
from pathlib import Path

from core.discovery.context import Inputs
from core.discovery.settings import Settings
from core.judges import catalogue
from core.judges.names import USUAL
from core.prompts.references import Reference
from tests.judges import judging

NOUNS = ["bread", "town", "story", "cat", "dog", "help", "place", "small", "large", "old", "new", "red", "blue"]
TEXTS = [f"How do I {verb} a {noun}?" for verb in ("bake", "tell", "help", "find", "see", "buy") for noun in NOUNS]
REFERENCES = tuple(Reference(text, f"To do it, {text[9:-1]} first.", 0.4, 9, "a person") for text in TEXTS[:24])
INPUTS = Inputs(
    (*TEXTS[:30], TEXTS[0], ""), tuple(TEXTS[26:]), ("A small town by the sea.", "The cat and the dog."), REFERENCES
)
SETTINGS = Settings(
    tokens=4,
    lengths=(2, 4, 6),
    length_prompts=10,
    k_steps=(2, 5, 9),
    k_beside=(3,),
    control_draws=3,
    machine_seeds=2,
    thresholds=(0.001, 0.01, 0.1),
    seeds=(0, 1),
    block_size=3,
    least_tokens=(1, 4),
    interaction_steps=(5, 10, 400),
    probe_steps=(5, 20),
    embedding_sizes=(3, 5),
    embedding_size=5,
    epochs=3,
    cost_sets=2,
    cost_texts=4,
    public_texts=3,
)


def verdict_of(text):
    return ("refused", "complied", "refused", "complied", "refused", "complied", "degenerate")[sum(map(ord, text)) % 7]


judge = judging(verdict_of, USUAL)


def use_small_judge(patch=None):
    """Let the usual judge be this one, in this process; until the test ends, where `patch` is its monkeypatch."""
    if patch is None:
        catalogue.OF_A_MODEL[USUAL] = lambda engine: judge
    else:
        patch.setitem(catalogue.OF_A_MODEL, USUAL, lambda engine: judge)


def use_slow_judge(mark: Path) -> None:
    """As above, with a judge that takes half a second for an answer as long as the file `mark` is there."""

    def verdict_in_time(text):
        if mark.exists():
            time.sleep(0.5)
        return verdict_of(text)

    slow = judging(verdict_in_time, USUAL)
    catalogue.OF_A_MODEL[USUAL] = lambda engine: slow
