"""Hydrascope's engine: edit and measure an open-weight chat model's refusal through its SAE features.

    from core import Edits, Feature, load

Knows nothing of Streamlit; the pages stand on this and import nothing below it.
"""

from core.answers.verdicts import Verdict, verdict
from core.edits.direction import Direction
from core.edits.edits import POSITIONS, Edits, Feature, Sensor
from core.engine import Engine, load
from core.errors import AssetError, DownloadError, HydrascopeError, InputError, UnknownModelError
from core.measures.scores import Measurement, refusal_score
from core.models.spec import ModelSpec
from core.prompts.conversation import Conversation, Turn
from core.prompts.template import Prompt

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
    "verdict",
]
