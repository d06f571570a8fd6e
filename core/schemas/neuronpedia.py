"""Neuronpedia's answers: one feature, one row of a bulk file, a list of features.

Knows: the field names of its JSON. Does not know: HTTP, or what is made of an answer.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from core.schemas.schema import Schema

#: A feature's number; more digits than any SAE's width has are none.
Index = Annotated[int, Field(ge=0, lt=10**9)]


class Score(Schema):
    value: float | None = None


class Explanation(Schema):
    """One label of a feature, and who made it."""

    description: str | None = None
    explanationModelName: str | None = None  # noqa: N815 (as it stands in the answer)
    typeName: str | None = None  # noqa: N815
    scores: list[Score] | None = None


class Activation(Schema):
    """One text on which a feature fires. The strongest place is one of its tokens."""

    tokens: list[str]
    maxValue: float  # noqa: N815
    maxValueTokenIndex: Annotated[int, Field(ge=0)]  # noqa: N815

    @model_validator(mode="after")
    def _place_is_inside(self) -> Activation:
        if self.maxValueTokenIndex >= len(self.tokens):
            raise ValueError("the strongest place is outside the text")
        return self


class Sourced(Schema):
    """What says whose feature it is about, where it says so."""

    index: Index
    modelId: str | None = None  # noqa: N815
    layer: str | None = None

    def about(self, source: str) -> str:
        """The source it says it is of, where that is another than `source`; else empty."""
        model, _, layer = source.partition("/")
        stated = (self.modelId or model, self.layer or layer)
        return "" if tuple(map(str.lower, stated)) == (model.lower(), layer.lower()) else "/".join(stated)


class FeatureAnswer(Sourced):
    """The answer to a question about one feature. What is missing is empty."""

    explanations: list[Explanation] | None = None
    frac_nonzero: Annotated[float, Field(ge=0, le=1)] | None = None
    maxActApprox: Annotated[float, Field(ge=0)] | None = None  # noqa: N815
    pos_str: list[str] | None = None
    neg_str: list[str] | None = None
    activations: list[Activation] | None = None


class BulkRow(Explanation, Sourced):
    """A row of a bulk file."""


class ListedFeature(Schema):
    """A feature in a list. layer: a source, or the layer alone."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    layer: Annotated[str, Field(pattern=r"^\d{1,9}(\D|$)")]
    index: Index
    modelId: str = ""  # noqa: N815
    description: str | None = None

    @property
    def layer_number(self) -> int:
        """The number its layer begins with."""
        return int(re.split(r"\D", self.layer, maxsplit=1)[0])


class ListedFeatures(Schema):
    """A list of features; one without a name may be the array alone."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    features: list[ListedFeature]
    name: str = ""
    description: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_an_array(cls, value: Any) -> Any:
        return {"features": value} if isinstance(value, list) else value
