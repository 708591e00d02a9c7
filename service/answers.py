"""What is asked of the service and what it answers, as typed structures.

The engine makes the answers, JSON over HTTP and the same objects on the command line; the gateway adds the request's
id and the times that it alone knows. Parts that a bundle does not bring are absent, not null.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType


class Parameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the caller asked for, validated at the edge; the engine trusts it.

    `text` describes the subject in a person's words. `candidates` are class ids, labels or values of levels that the
    answer may be of. `certainty` is what a level needs to be reported. `force` answers where the router would refuse.
    `draw` wants the explanation drawn on the photo, as a PNG, in place of the answer.
    """

    top_k: int = 5
    explain: bool = False
    text: str | None = None
    candidates: tuple[str, ...] = ()
    certainty: float = 0.9
    force: bool = False
    draw: bool = False


class ModelRef(msgspec.Struct, frozen=True):
    """Which bundle answered."""

    name: str
    version: str
    system: str


class Prediction(msgspec.Struct, frozen=True):
    """One class with its calibrated probability."""

    class_id: str
    label: str
    probability: float
    levels: dict[str, str] | UnsetType = UNSET


class Rollup(msgspec.Struct, frozen=True):
    """The most specific level whose best value is certain enough, with the probability summed over its classes."""

    level: str
    label: str
    probability: float


class LabelSet(msgspec.Struct, frozen=True):
    """Labels that hold the truth with the stated coverage."""

    coverage: float
    class_ids: list[str]


class ImageSize(msgspec.Struct, frozen=True):
    """The photo as a person sees it, in pixels."""

    width: int
    height: int


class ActivationMap(msgspec.Struct, frozen=True):
    """Evidence per cell, row by row, in 0..1 of its maximum."""

    rows: int
    columns: int
    values: list[float]


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the model looked at; `faithful` is what the bundle's card measured."""

    system: str
    faithful: bool | UnsetType = UNSET
    map: ActivationMap | UnsetType = UNSET


class ClassifyAnswer(msgspec.Struct, frozen=True):
    """The answer to a classify request, without `id` and `timing_ms`."""

    model: ModelRef
    predictions: list[Prediction]
    image: ImageSize
    rollup: Rollup | UnsetType = UNSET
    set: LabelSet | UnsetType = UNSET
    uncertain: bool | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET
    explanation: Explanation | UnsetType = UNSET
