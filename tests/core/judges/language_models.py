"""Chat models that read the rubric: the tiny model with a longer context, since its tokenizer has few words."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

CONTEXT = 8192


def reading_spec(spec, folder: Path, name: str = "reader", template: bool = True):
    """A copy of the model of `spec` in `folder` that reads 8,192 tokens. template: whether it has a chat template."""
    shutil.copytree(spec.model_id, folder / name)
    config = folder / name / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"max_position_embeddings": CONTEXT}))
    if not template:
        (folder / name / "chat_template.jinja").unlink()
    return replace(spec, name=name, model_id=str(folder / name), saes={}, layers=())
