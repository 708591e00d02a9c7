"""The sections of a bundle's manifest: what each says of the bundle, in which unit and within which bounds.

`models.manifest` owns the whole of them, with what must hold between them. No torch, no numpy: the gateway reads it too.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

Precision = Literal["fp32", "fp16", "int8"]
#: In which numbers a graph computes: those that it was trained in, or 8-bit ones.
Arithmetic = Literal["exact", "int8"]
#: What `uncertain_below` is compared with; of each, a higher value means a subject that the model knows.
UncertaintyScore = Literal["max_softmax", "energy", "height", "distance"]

#: What is asked of a system that reads a question or an expression, by system.
WORDS_OF = {"hard_attention": "question", "referring": "expression"}

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
#: A share of photos below one, written as a JSON key: "0.9".
Coverage = Annotated[str, StringConstraints(pattern=r"^0\.[0-9]{1,6}$")]


class Section(BaseModel):
    """A part of a manifest: its keys are known, and it does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageInput(Section):
    """How a photo becomes the graph's `image` input, uint8 [N, size_px, size_px, 3]."""

    size_px: int = Field(ge=16, le=2048)
    fit: Literal["crop", "squash", "letterbox"]
    interpolation: Literal["linear"] = "linear"


class TextInput(Section):
    """How a text about the subject becomes the graph's `phrases`, int64 [N, phrases, words]: word ids by `file`."""

    kind: Literal["phrases"] = "phrases"
    phrases: int = Field(ge=3, le=64)
    words: int = Field(ge=2, le=32)
    file: FileName = "vocabulary.json"


class WordsInput(Section):
    """How a question, or an expression, becomes `tokens` int64 [N, length] and `token_mask` f32: ids by `file`."""

    kind: Literal["question", "expression"]
    length: int = Field(ge=2, le=64)
    file: FileName = "vocabulary.json"


def _text_form(value: object) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "words" if kind in WORDS_OF.values() else "phrases"


AnyText = Annotated[
    Annotated[TextInput, Tag("phrases")] | Annotated[WordsInput, Tag("words")], Discriminator(_text_form)
]


class Output(Section):
    """One output of a graph; the batch axis is left out of `shape`."""

    name: Slug
    dtype: Literal["float32", "int64"] = "float32"
    shape: tuple[int, ...]


class LatencyRow(Section):
    """Measured time of one call; `machine` names the processor."""

    machine: str
    threads: int = Field(ge=1)
    batch: int = Field(ge=1)
    median_ms: float = Field(gt=0)


class Calibration(Section):
    """What turns scores into honest answers; all of it fitted on held-out training photos.

    `uncertain_below` flags an answer whose `score` is lower. `conformal` maps a coverage, as a string such as "0.9", to
    the quantile of the nonconformity score 1 - p(label); `conformal_levels` does the same for groups of each level.
    `pooled_temperature` is for several photos of one subject, `scene_temperature` for the only subject that a detector
    found and the scene around it, seen side by side; without it the scene does not count. A text whose agreement with the
    photo is below `text_conflict_below` speaks of something else. Of a grounding bundle `temperature` is that of the presence
    logit and `quality_temperature` that of the quality logit; what is present with less than `absent_below` is not there,
    and a detector proposes nothing with a lower score.
    """

    temperature: float = Field(default=1.0, gt=0.01, lt=100)
    score: UncertaintyScore = "max_softmax"
    uncertain_below: float | None = None
    conformal: dict[Coverage, float] = {}
    conformal_levels: dict[Slug, dict[Coverage, float]] = {}
    pooled_temperature: float | None = Field(default=None, gt=0.01, lt=100)
    scene_temperature: float | None = Field(default=None, gt=0.01, lt=100)
    text_conflict_below: float | None = None
    quality_temperature: float | None = Field(default=None, gt=0.01, lt=100)
    absent_below: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> Calibration:
        below = self.uncertain_below
        if self.score == "max_softmax" and below is not None and not 0 <= below <= 1:
            raise ValueError(f"uncertain_below is {below}, but a probability lies within 0 and 1")
        return self


class Variant(Section):
    """One file of the bundle's graph, with how far it is from the trained model.

    `precision` is that of the stored weights. `accuracy_loss` is the top-1 that rounding cost on held-out photos; below 0
    where chance helped. A graph that computes in 8 bits has a calibration and samples of its own.
    """

    file: FileName
    precision: Precision
    computes: Arithmetic = "exact"
    parity_max: float | None = Field(default=None, ge=0)
    accuracy: float | None = Field(default=None, ge=0, le=1)
    accuracy_loss: float | None = Field(default=None, ge=-1, le=1)
    latency: tuple[LatencyRow, ...] = ()
    calibration: Calibration | None = None
    samples: FileName | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Variant:
        own = (self.calibration is not None, self.samples is not None)
        if own != (self.computes == "int8",) * 2:
            raise ValueError("a graph that computes in 8 bits, and no other, has a calibration and samples of its own")
        return self

    @property
    def curve_ms(self) -> dict[int, float]:
        """Median time of a call on one thread, by batch size."""
        return {row.batch: row.median_ms for row in self.latency if row.threads == 1}


class ExplanationFacts(Section):
    """What was measured of the explanations: `faithful` if removing what they show hurts more than either control."""

    faithful: bool


class Training(Section):
    """Where the weights come from; `metrics` are figures on named splits."""

    data: str
    split: str
    seed: int
    recipe: str
    backbone: str | None = None
    metrics: dict[str, float] = {}


class Licence(Section):
    """What the weights may be used for, and whom to credit."""

    name: str
    research_only: bool
    attribution: tuple[str, ...] = ()


class Fake(Section):
    """Behaviour of a testing backend: a batch of n takes `base_ms + item_ms * n`.

    `trigger_above` makes crash, wedge and NaN depend on the photo: they strike where the photo's mean value (0..255)
    is higher.
    """

    base_ms: float = Field(default=0.0, ge=0, le=60_000)
    item_ms: float = Field(default=0.0, ge=0, le=60_000)
    trigger_above: float | None = Field(default=None, ge=0, le=255)
