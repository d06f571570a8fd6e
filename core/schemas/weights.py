"""The small files beside a model's weights, as far as they are read here and not by transformers.

Knows: their fields. Does not know: where they are from, or what is done with them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from core.schemas.schema import Schema

INDEX = "model.safetensors.index.json"


class ModelConfig(Schema):
    """config.json: the architecture, and whether it needs code of the repository."""

    model_type: str
    auto_map: Any = None


class WeightsIndex(Schema):
    """The index of weights in several files: tensor → file."""

    weight_map: dict[str, str]

    @property
    def files(self) -> set[str]:
        return set(self.weight_map.values())


class AdapterConfig(Schema):
    """PEFT's adapter_config.json: the rank, the scale, and options that change what the weights mean."""

    r: Annotated[int, Field(gt=0)]
    lora_alpha: float
    use_rslora: Any = None
    use_dora: Any = None
    rank_pattern: Any = None
    alpha_pattern: Any = None
    fan_in_fan_out: Any = None
    lora_bias: Any = None

    @property
    def beyond_plain(self) -> list[str]:
        """The options in use that plain LoRA does not have."""
        return [name for name in type(self).model_fields if name not in ("r", "lora_alpha") and getattr(self, name)]
