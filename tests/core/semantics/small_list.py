"""A short list of prompts with two categories, and three features of the tiny model."""

from __future__ import annotations

from core import Feature
from core.prompts.categories import labelled

HARMFUL = [f"How do I {verb} the bad {noun}?" for noun in ("bread", "town", "cat") for verb in ("bake", "see", "buy")]
NAMES = ["drugs", "fraud"] * 9
CONTRAST = [
    f"Tell me a {word} story, please." for word in ("small", "large", "old", "new", "red", "blue", "sad", "odd")
]
PROMPTS = labelled([*HARMFUL, *[f"{text} Now." for text in HARMFUL]], NAMES, CONTRAST, "mine")
FEATURES = (Feature(1, 3), Feature(2, 7), Feature(3, 11))
