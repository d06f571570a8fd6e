"""Streamlit in this process with the tests' tiny model registered: `python -m tests.browser.serve_tiny SPEC app.py …`.

SPEC is a JSON file that `written` made. Knows: how a spec goes through a file. Does not know: tests or pages.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from core import ModelSpec
from core.models import registry

_PATHS = ("prompts", "labels", "direction")


def written(spec: ModelSpec, path: Path) -> Path:
    """Write what the server has to know of a spec."""
    record = {name: str(getattr(spec, name)) for name in ("name", "model_id", "caveat", *_PATHS)}
    saes = {str(layer): str(folder) for layer, folder in spec.saes.items()}
    path.write_text(json.dumps(record | {"refusal_tokens": list(spec.refusal_tokens), "saes": saes}))
    return path


def read(path: Path) -> ModelSpec:
    """The same spec again."""
    record = json.loads(path.read_text())
    saes = {int(layer): Path(folder) for layer, folder in record["saes"].items()}
    return ModelSpec(
        record["name"],
        record["model_id"],
        tuple(sorted(saes)),
        tuple(record["refusal_tokens"]),
        saes,
        caveat=record["caveat"],
        **{name: Path(record[name]) for name in _PATHS},
    )


def main() -> None:
    from streamlit.web import cli

    registry.register(read(Path(sys.argv[1])))
    sys.argv = ["streamlit", "run", *sys.argv[2:]]
    cli.main()


if __name__ == "__main__":
    main()
