"""The small files beside an SAE's weights, by suite.

Knows: their fields. Does not know: weights, or what SAELens makes of the fields.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from core.schemas.schema import Schema

Count = Annotated[int, Field(gt=0)]


class SaeLensMetadata(Schema):
    hook_name: str | None = None
    #: The model it was trained on, in its maker's words.
    model_name: str | None = None
    #: How the model was loaded for its training.
    model_from_pretrained_kwargs: dict[str, Any] | None = None


class SaeLensConfig(Schema):
    """SAELens's cfg.json, after SAELens has filled in what older ones lack."""

    architecture: str
    d_in: Count | None = None
    d_sae: Count | None = None
    normalize_activations: str | None = None
    apply_b_dec_to_input: bool = True
    metadata: SaeLensMetadata | None = None


class GemmaScope2Config(Schema):
    """config.json of Gemma Scope 2."""

    hf_hook_point_in: str | None = None


class ActivationNorm(Schema):
    #: The usual norm of an input; SAELens scales by it.
    at_input: Annotated[float, Field(gt=0, alias="in")]


class LlamaScopeConfig(Schema):
    """config.json of Llama Scope for the distilled R1, and what it shares with hyperparams.json of Llama Scope."""

    d_model: Count
    hook_point_in: str | None = None


class LlamaScopeHyperparameters(LlamaScopeConfig):
    dataset_average_activation_norm: ActivationNorm
    jump_relu_threshold: float


class Trainer(Schema):
    layer: Annotated[int, Field(ge=0)]
    activation_dim: Count
    dict_class: str


class DictionaryLearningConfig(Schema):
    """config.json of the library dictionary_learning."""

    trainer: Trainer


class RandomQuality(Schema):
    explained_variance: float
    ce_recovered: float


class QualityCard(Schema):
    """card.json: how well an SAE reads held-out text. random: the same of random directions."""

    layer: Annotated[int, Field(ge=0)]
    width: Count
    tokens: Annotated[int, Field(ge=0)]
    explained_variance: float
    l0: float
    silent: float
    ce_recovered: float
    random: RandomQuality | None = None
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    #: sha256 of the file of weights that was measured; empty in cards of earlier versions.
    weights: str = ""
