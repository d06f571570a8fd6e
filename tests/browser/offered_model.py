"""The offer of a first model on a test's server: the demo and a model of its makers, both tiny, the latter on a hub.

Knows: what is put in place of the real GGUF file, and what is shipped for it. Does not know: tests, pages, browsers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from core.models import registry
from core.models.gguf_folder import MARKER
from core.models.gguf_models import QWEN_CODER_1_5B
from core.models.gguf_source import Wheel
from core.paths import cache_folder
from tests.tiny_gguf import tiny_gguf

NAME, HUB = QWEN_CODER_1_5B.name, QWEN_CODER_1_5B.source.hub
#: Tokens of the tiny model, so many that its file is a third of a megabyte: a download of it can be half done.
VOCABULARY = 4000


def make_repository(folder: Path) -> Path:
    """The makers' repository in `folder`, with one tiny GGUF file under the real one's name. Returns the file."""
    assert HUB is not None
    tiny_gguf(folder / HUB.name, VOCABULARY)
    return folder / HUB.name


def offer_tiny_model(file: Path, assets: Path) -> None:
    """In a server's process: `file` is what the model's GGUF file has to be, and `assets` holds what is shipped for it.
    The demo's base lies here, as after `make run`; the demo itself is whatever the server registers.
    """
    size = file.stat().st_size
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    wheel = Wheel("no-such-wheel==1", sha256, size, file.name, size)
    source = replace(QWEN_CODER_1_5B.source, sha256=sha256, wheels=(wheel,), disk_needed=0, memory_needed=0)
    object.__setattr__(QWEN_CODER_1_5B, "source", source)  # one object for all who know the model
    object.__setattr__(QWEN_CODER_1_5B, "parameters", 300_000)
    registry.assets_folder = lambda: assets
    base = cache_folder() / "base" / "SmolLM2-135M-Instruct"
    base.mkdir(parents=True)
    (base / MARKER).write_text(json.dumps({}))
