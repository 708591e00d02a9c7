"""What is asked of the service and what it answers, as typed structures.

The engine makes the answers, JSON over HTTP and the same objects on the command line; the gateway adds the request's
id and the times that it alone knows (`ClassifyReply`). Parts that a bundle does not bring are absent, not null. The
answers of the tasks that read words stand in `replies.py`.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType


class Parameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the caller asked for, validated at the edge; the engine trusts it.

    `text` describes the subject in a person's words. `candidates` are class ids, labels or values of levels that the
    answer may be of. `certainty` is what a level needs to be reported. `force` answers where the router would refuse.
    `draw` wants the explanation drawn on the photo, as a PNG, in place of the answer. `expressions` are what to find
    in the photo, `question` what to answer about it, `parts` what to do with it in one go.
    """

    top_k: int = 5
    explain: bool = False
    text: str | None = None
    candidates: tuple[str, ...] = ()
    certainty: float = 0.9
    force: bool = False
    draw: bool = False
    expressions: tuple[str, ...] = ()
    question: str | None = None
    parts: tuple[Part, ...] = ()


class Part(msgspec.Struct, frozen=True):
    """One of the tasks that are asked of the same photo, by its route (`service/catalog.py`)."""

    route: str
    parameters: Parameters


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


class LevelSet(msgspec.Struct, frozen=True):
    """Values of one level that hold the truth with the stated coverage."""

    coverage: float
    labels: list[str]


class LabelSet(msgspec.Struct, frozen=True):
    """Labels that hold the truth with the stated coverage; `levels` holds the same for each level, from coarse to fine."""

    coverage: float
    class_ids: list[str]
    levels: dict[str, LevelSet] | UnsetType = UNSET


class ImageSize(msgspec.Struct, frozen=True):
    """The photo as a person sees it, in pixels."""

    width: int
    height: int


class Box(msgspec.Struct, frozen=True):
    """A part of the photo as a person sees it, in pixels from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


class PhraseWeight(msgspec.Struct, frozen=True):
    """A phrase of the text and how strongly it was tied to a region, 0..1."""

    text: str
    weight: float


class Region(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of the photo that the answer rests on.

    `stage` is a step of PMA's attention, with the phrases that it tied to the region where a text was read; `zoom` what
    RAMS-Trans looks at again; `discriminative` and `complementary` are S3N's strongest and weakest evidence.
    """

    kind: Literal["stage", "zoom", "discriminative", "complementary"]
    box: Box
    stage: int | UnsetType = UNSET
    weight: float | UnsetType = UNSET
    phrases: list[PhraseWeight] | UnsetType = UNSET


class EvidenceMap(msgspec.Struct, frozen=True, omit_defaults=True):
    """Evidence per cell, row by row, in 0..1 of its maximum.

    The cells part the whole photo, or `box` where the model saw another part of it.
    """

    rows: int
    columns: int
    values: list[float]
    box: Box | UnsetType = UNSET


class Explanation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the model looked at.

    `faithful` tells whether, as measured on held-out photos, hiding what such explanations show harms the answer more
    than hiding as much elsewhere.
    """

    system: str
    faithful: bool | UnsetType = UNSET
    regions: list[Region] | UnsetType = UNSET
    map: EvidenceMap | UnsetType = UNSET


class Phrases(msgspec.Struct, frozen=True):
    """The phrases of a text: those that the model knows and was told, and those that it does not know."""

    known: list[str]
    unknown: list[str]


class DomainGuess(msgspec.Struct, frozen=True):
    """The domain that the router chose by the photo."""

    name: str
    probability: float


class PhotoPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one of several photos of a subject says alone."""

    image: ImageSize
    prediction: Prediction
    explanation: Explanation | UnsetType = UNSET


class ClassifyAnswer(msgspec.Struct, frozen=True):
    """The answer to a classify request, without `id` and `timing_ms`.

    With `candidates`, `predictions`, `rollup` and `set` are of them alone, and `without_candidates` are the predictions
    among all classes; `unknown_candidates` are names that the model has no class for. `text_used` tells whether a text
    that was sent was read, `text_reason` why not, `text_conflict` that it seems to speak of something else than the photo
    shows. Of several photos `image` is the first, and `photos` has a part for each. Where an expression named the subject,
    `box` is where it was found in the photo and `score` how surely.
    """

    model: ModelRef
    predictions: list[Prediction]
    image: ImageSize
    rollup: Rollup | UnsetType = UNSET
    set: LabelSet | UnsetType = UNSET
    uncertain: bool | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET
    explanation: Explanation | UnsetType = UNSET
    without_candidates: list[Prediction] | UnsetType = UNSET
    unknown_candidates: list[str] | UnsetType = UNSET
    text_used: bool | UnsetType = UNSET
    text_reason: str | UnsetType = UNSET
    text_conflict: bool | UnsetType = UNSET
    phrases: Phrases | UnsetType = UNSET
    domain: DomainGuess | UnsetType = UNSET
    photos: list[PhotoPart] | UnsetType = UNSET
    box: Box | UnsetType = UNSET
    score: float | UnsetType = UNSET


class Omitted(msgspec.Struct, frozen=True):
    """Something that was found and is not answered, and why."""

    box: Box
    reason: str


class SubjectsAnswer(msgspec.Struct, frozen=True):
    """The answer to a classify request for every subject, without `id` and `timing_ms`; each has its `box`, the surest first."""

    subjects: list[ClassifyAnswer]
    omitted: list[Omitted]
    image: ImageSize


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds: waiting for a worker, decoding, inference, and all from the request's arrival to the answer."""

    queue: float
    decode: float
    infer: float
    total: float


class ClassifyReply(ClassifyAnswer, frozen=True, kw_only=True):
    """What the photo shows. Parts that the model does not bring are absent."""

    id: str
    timing_ms: Timing


class SubjectsReply(SubjectsAnswer, frozen=True, kw_only=True):
    """What the photo shows, subject by subject."""

    id: str
    timing_ms: Timing
