"""The models that are offered to who has chosen none: the demo, and models of their makers for which SAEs are shipped.

Knows: what is shipped, and what lies here already. Does not know: pages, how a model is loaded.
"""

from __future__ import annotations

from typing import NamedTuple

from core.models.demo_base import SMOLLM2, base_is_here
from core.models.gguf_folder import is_here
from core.models.gguf_models import GGUF_MODELS
from core.models.gguf_source import GgufSource
from core.models.registry import from_gguf
from core.text.sizes import size_text

#: What every offer is compared with: nothing has to be chosen to have it.
USUAL = "demo"


class Offer(NamedTuple):
    """name: as `find_spec` takes it. line: what it is and what it costs to have, in two short sentences. first_use:
    what its first use takes beside the download, empty where it is here already.
    """

    name: str
    line: str
    first_use: str = ""


def offers() -> tuple[Offer, ...]:
    """The demo first. A model without shipped SAEs is not among them: there would be little to see."""
    demo = Offer(USUAL, f"Taught to refuse by us. {'Starts at once.' if base_is_here() else _downloads(SMOLLM2)}")
    shipped = [model for model in GGUF_MODELS if from_gguf(model).saes]
    return (
        demo,
        *(
            Offer(model.name, f"{model.about} Already downloaded.")
            if is_here(model.name)
            else Offer(model.name, f"{model.about} {_downloads(model.source)}", _takes(model.source))
            for model in shipped
        ),
    )


def _downloads(source: GgufSource) -> str:
    return f"Downloads {size_text(source.download_size)} once."


def _takes(source: GgufSource) -> str:
    return (
        f"Its first use needs {size_text(source.disk_needed)} of disk space and {size_text(source.memory_needed)} of "
        "memory for a few minutes."
    )
