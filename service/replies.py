"""What the tasks that read words answer: where an expression's object is, what a question's answer is, and both in one go.

Made by the engine and completed by the gateway like a classification (`answers.py`). Boxes and cells are places on the
photo as a person sees it. Parts that do not apply are absent, not null.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from service.answers import Box, ClassifyAnswer, EvidenceMap, ImageSize, ModelRef, Timing


class Located(msgspec.Struct, frozen=True):
    """What became of one expression.

    `presence` is the probability that the photo shows such a thing, `quality` how well the box is expected to fit it, in
    0..1, `score` both together. Where nothing is `found`, `reason` says why, and a `box` is there only if it was asked for
    all the same. `read` is the part that was read of an expression with too many words; `unknown_words` are words that
    the model does not know.
    """

    expression: str
    found: bool
    score: float
    presence: float
    quality: float
    box: Box | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    read: str | UnsetType = UNSET
    unknown_words: list[str] | UnsetType = UNSET


class GroundAnswer(msgspec.Struct, frozen=True):
    """The answer to a ground request, without `id` and `timing_ms`: a result for each expression, in their order."""

    model: ModelRef
    results: list[Located]
    image: ImageSize


class GroundReply(GroundAnswer, frozen=True, kw_only=True):
    """Where the photo shows what the expressions mean."""

    id: str
    timing_ms: Timing


class Choice(msgspec.Struct, frozen=True):
    """One possible answer with its calibrated probability."""

    answer: str
    probability: float


class QuestionAnswer(msgspec.Struct, frozen=True):
    """The answer to a question, without `id` and `timing_ms`; the best of `answers` first.

    `kept` has 1 for each cell of the photo that was read and 0 for the others: nothing else was looked at. `relevance`,
    which comes with `explain`, is what they were chosen by. `uncertain` and its `reason` are there where the model has a
    threshold; `read` and `unknown_words` are those of a `Located`.
    """

    model: ModelRef
    question: str
    answers: list[Choice]
    kept: EvidenceMap
    image: ImageSize
    relevance: EvidenceMap | UnsetType = UNSET
    uncertain: bool | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET
    read: str | UnsetType = UNSET
    unknown_words: list[str] | UnsetType = UNSET


class QuestionReply(QuestionAnswer, frozen=True, kw_only=True):
    """What the photo answers."""

    id: str
    timing_ms: Timing


class Proposal(msgspec.Struct, frozen=True):
    """Where a detector sees a subject of a domain, as which of its own classes, and how surely in 0..1."""

    label: str
    domain: str
    score: float
    box: Box


class Proposals(msgspec.Struct, frozen=True):
    """What a detector sees in a photo, the surest first."""

    model: ModelRef
    subjects: list[Proposal]
    image: ImageSize


class PartProblem(msgspec.Struct, frozen=True):
    """Why one part of a look has no answer, in the words of a problem document."""

    type: str
    title: str
    status: int
    detail: str


class LookAnswer(msgspec.Struct, frozen=True):
    """The answer to a look, without `id` and `timing_ms`: what was asked for, each part answered or with its problem."""

    image: ImageSize
    classify: ClassifyAnswer | PartProblem | UnsetType = UNSET
    ground: GroundAnswer | PartProblem | UnsetType = UNSET
    answer: QuestionAnswer | PartProblem | UnsetType = UNSET


class LookReply(LookAnswer, frozen=True, kw_only=True):
    """What one photo says to all that was asked of it."""

    id: str
    timing_ms: Timing
