"""Hydrascope's engine: edit and measure an open-weight chat model's refusal through its SAE features.

    from core import Edits, Feature, load

Knows: the names that scripts use. Does not know: Streamlit, or how anything is done. A name is imported when it is
first used: `hydrascope --help` must not wait for torch.
Public: `engine.load`, `engine.Engine`, `edits.edits.Edits`, `edits.edits.Feature`, and what else is in `__all__`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.answers.verdicts import Verdict
    from core.edits.direction import Direction
    from core.edits.edits import POSITIONS, Edits, Feature, Sensor
    from core.engine import Engine, load
    from core.errors import AssetError, DownloadError, HydrascopeError, InputError, UnknownModelError
    from core.measures.scores import Measurement, refusal_score
    from core.models.spec import ModelSpec
    from core.prompts.conversation import Conversation, Turn
    from core.prompts.template import Prompt

#: The one place that says which version this is; pyproject.toml reads it from here.
__version__ = "0.2.0.dev0"

__all__ = [
    "POSITIONS",
    "AssetError",
    "Conversation",
    "Direction",
    "DownloadError",
    "Edits",
    "Engine",
    "Feature",
    "HydrascopeError",
    "InputError",
    "Measurement",
    "ModelSpec",
    "Prompt",
    "Sensor",
    "Turn",
    "UnknownModelError",
    "Verdict",
    "load",
    "refusal_score",
]

_MODULES = {
    "core.answers.verdicts": ("Verdict",),
    "core.edits.direction": ("Direction",),
    "core.edits.edits": ("POSITIONS", "Edits", "Feature", "Sensor"),
    "core.engine": ("Engine", "load"),
    "core.errors": ("AssetError", "DownloadError", "HydrascopeError", "InputError", "UnknownModelError"),
    "core.measures.scores": ("Measurement", "refusal_score"),
    "core.models.spec": ("ModelSpec",),
    "core.prompts.conversation": ("Conversation", "Turn"),
    "core.prompts.template": ("Prompt",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module “core” has no attribute “{name}”")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
