"""The bundle format: what training hands to serving, and nothing else.

A bundle is a folder `<name>/<version>/` with `manifest.json`, one or more ONNX files, `labels.csv`, `card.md` and
`samples.npz`, and `vocabulary.json` where the graph reads a text. This module owns the manifest's schema and names every
fault at once; the label table is `models.labels`' part, and whether a folder keeps what its manifest promises
`models.bundle`'s. No torch, no numpy: the gateway reads it too.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Literal

from packaging.version import InvalidVersion, Version
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    model_validator,
)

FORMAT = 1
MANIFEST_BYTES_LIMIT = 1 << 20
MANIFEST_NAME = "manifest.json"

System = Literal[
    "plain", "pma", "pma_visual", "pma_student", "rams_trans", "s3n", "referring", "hard_attention", "router", "detector",
    "testing",
]  # fmt: skip
Task = Literal["classify", "ground", "answer", "route", "locate"]
Precision = Literal["fp32", "fp16", "int8"]
#: What `uncertain_below` is compared with; of each, a higher value means a subject that the model knows.
UncertaintyScore = Literal["max_softmax", "energy", "distance"]
#: `onnx` runs the bundle's graph; the others are the fakes that test the service without weights.
Backend = Literal["onnx", "echo", "slow", "crash", "wedge", "nan"]

#: What is asked of a system that reads a question or an expression, by system.
_WORDS_OF = {"hard_attention": "question", "referring": "expression"}

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
#: A share of photos below one, written as a JSON key: "0.9".
Coverage = Annotated[str, StringConstraints(pattern=r"^0\.[0-9]{1,6}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageInput(_Part):
    """How a photo becomes the graph's `image` input, uint8 [N, size_px, size_px, 3]."""

    size_px: int = Field(ge=16, le=2048)
    fit: Literal["crop", "squash", "letterbox"]
    interpolation: Literal["linear"] = "linear"


class TextInput(_Part):
    """How a text about the subject becomes the graph's `phrases`, int64 [N, phrases, words]: word ids by `file`."""

    kind: Literal["phrases"] = "phrases"
    phrases: int = Field(ge=3, le=64)
    words: int = Field(ge=2, le=32)
    file: FileName = "vocabulary.json"


class WordsInput(_Part):
    """How a question, or an expression, becomes `tokens` int64 [N, length] and `token_mask` f32: ids by `file`."""

    kind: Literal["question", "expression"]
    length: int = Field(ge=2, le=64)
    file: FileName = "vocabulary.json"


def _text_form(value: object) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "words" if kind in _WORDS_OF.values() else "phrases"


AnyText = Annotated[
    Annotated[TextInput, Tag("phrases")] | Annotated[WordsInput, Tag("words")], Discriminator(_text_form)
]


class Output(_Part):
    """One output of a graph; the batch axis is left out of `shape`."""

    name: Slug
    dtype: Literal["float32", "int64"] = "float32"
    shape: tuple[int, ...]


class LatencyRow(_Part):
    """Measured time of one call; `machine` names the processor."""

    machine: str
    threads: int = Field(ge=1)
    batch: int = Field(ge=1)
    median_ms: float = Field(gt=0)


class Variant(_Part):
    """One stored precision of the bundle's graph, with how far it is from the trained model.

    `accuracy_loss` is the top-1 that rounding the weights cost on held-out photos; below 0 where chance helped.
    """

    file: FileName
    precision: Precision
    parity_max: float | None = Field(default=None, ge=0)
    accuracy: float | None = Field(default=None, ge=0, le=1)
    accuracy_loss: float | None = Field(default=None, ge=-1, le=1)
    latency: tuple[LatencyRow, ...] = ()


class Calibration(_Part):
    """What turns scores into honest answers; all of it fitted on held-out training photos.

    `uncertain_below` flags an answer whose `score` is lower. `conformal` maps a coverage, as a string such as "0.9", to
    the quantile of the nonconformity score 1 - p(label); `conformal_levels` does the same for groups of each level.
    `pooled_temperature` is for several photos of one subject. A text whose agreement with the photo is below
    `text_conflict_below` speaks of something else. Of a grounding bundle `temperature` is that of the presence logit and
    `quality_temperature` that of the quality logit; what is present with less than `absent_below` is not there, and a
    detector proposes nothing with a lower score.
    """

    temperature: float = Field(default=1.0, gt=0.01, lt=100)
    score: UncertaintyScore = "max_softmax"
    uncertain_below: float | None = None
    conformal: dict[Coverage, float] = {}
    conformal_levels: dict[Slug, dict[Coverage, float]] = {}
    pooled_temperature: float | None = Field(default=None, gt=0.01, lt=100)
    text_conflict_below: float | None = None
    quality_temperature: float | None = Field(default=None, gt=0.01, lt=100)
    absent_below: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> Calibration:
        below = self.uncertain_below
        if self.score == "max_softmax" and below is not None and not 0 <= below <= 1:
            raise ValueError(f"uncertain_below is {below}, but a probability lies within 0 and 1")
        return self


class ExplanationFacts(_Part):
    """What was measured of the explanations: `faithful` if removing what they show hurts more than either control."""

    faithful: bool


class Training(_Part):
    """Where the weights come from; `metrics` are figures on named splits."""

    data: str
    split: str
    seed: int
    recipe: str
    backbone: str | None = None
    metrics: dict[str, float] = {}


class Licence(_Part):
    """What the weights may be used for, and whom to credit."""

    name: str
    research_only: bool
    attribution: tuple[str, ...] = ()


class Fake(_Part):
    """Behaviour of a testing backend: a batch of n takes `base_ms + item_ms * n`.

    `trigger_above` makes crash, wedge and NaN depend on the photo: they strike where the photo's mean value (0..255)
    is higher.
    """

    base_ms: float = Field(default=0.0, ge=0, le=60_000)
    item_ms: float = Field(default=0.0, ge=0, le=60_000)
    trigger_above: float | None = Field(default=None, ge=0, le=255)


def _graphs_of(task: Task) -> set[str]:
    return {"vision", "fuse"} if task == "ground" else {"main"}


class Manifest(_Part):
    """Everything that serving knows about a bundle."""

    format: int = FORMAT
    name: Slug
    version: str
    system: System
    task: Task
    domain: Slug | None = None
    default: bool = False
    experimental: bool = False
    image: ImageInput
    text: AnyText | None = None
    outputs: tuple[Output, ...]
    graphs: dict[Literal["main", "vision", "fuse"], FileName] = {}
    variants: tuple[Variant, ...] = ()
    files: dict[FileName, Sha256]
    levels: tuple[Slug, ...] = ()
    calibration: Calibration = Calibration()
    explanation: ExplanationFacts | None = None
    batch_curve_ms: dict[int, float] = {}
    batch_wait_ms: float = Field(default=0.0, ge=0, le=1000)
    training: Training | None = None
    licence: Licence
    requires: str = "0.1.0"
    backend: Backend = "onnx"
    fake: Fake | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        faults: list[str] = []
        try:
            Version(self.version)
        except InvalidVersion:
            faults.append(f"version {self.version!r} is not a PEP 440 version")
        if self.backend == "onnx" and (needed := _graphs_of(self.task)) - self.graphs.keys():
            faults.append(f"graphs of a bundle for {self.task!r} must name {' and '.join(map(repr, sorted(needed)))}")
        if self.backend != "onnx" and self.system != "testing":
            faults.append(f"backend {self.backend!r} belongs to system 'testing' only")
        faults.extend(self._text_faults())
        named = [*self.graphs.values(), *(variant.file for variant in self.variants)]
        if self.text is not None:
            named.append(self.text.file)
        faults.extend(f"{file} has no sha256 under 'files'" for file in named if file not in self.files)
        if self.task == "classify" and self.domain is None:
            faults.append("a classify bundle needs a domain")
        if unknown := self.calibration.conformal_levels.keys() - set(self.levels):
            faults.append(f"calibration.conformal_levels names {', '.join(sorted(unknown))}, not among the levels")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _text_faults(self) -> list[str]:
        """Each system that reads words reads its own kind and cannot do without; the others read none."""
        needed = "phrases" if self.system == "pma" else _WORDS_OF.get(self.system)
        given = None if self.text is None else self.text.kind
        if needed == given:
            return []
        if given is None:
            return [f"a {self.system} bundle needs 'text' of kind {needed!r}"]
        if needed is None:
            return [f"a bundle of system {self.system!r} reads no text, but 'text' is given"]
        return [f"a {self.system} bundle reads a text of kind {needed!r}, not {given!r}"]

    @property
    def identity(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


class BundleError(ValueError):
    """A bundle cannot be used. `faults` holds every reason, each a sentence."""

    def __init__(self, where: str, faults: list[str]) -> None:
        super().__init__(f"{where}: " + "; ".join(faults))
        self.faults = faults


def read_manifest(folder: Path) -> Manifest:
    """Read and validate `folder/manifest.json`.

    Raises:
        BundleError: with every fault that the schema finds.
    """
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > MANIFEST_BYTES_LIMIT:
            raise BundleError(folder.name, [f"{MANIFEST_NAME} is larger than {MANIFEST_BYTES_LIMIT:,} bytes"])
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise BundleError(folder.name, [f"{MANIFEST_NAME} cannot be read ({error.strerror})"]) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(folder.name, [f"{MANIFEST_NAME} is not JSON"]) from error
    newer = raw.get("format") if isinstance(raw, dict) else None
    if isinstance(newer, int) and newer > FORMAT:
        raise BundleError(
            folder.name, [f"format {newer} is newer than this Fieldmark reads ({FORMAT}); update Fieldmark"]
        )
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        faults = [
            f"{'.'.join(str(part) for part in item['loc']) or 'manifest'}: {item['msg']}" for item in error.errors()
        ]
        raise BundleError(folder.name, faults) from error


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_model_name(text: str) -> tuple[str, str | None]:
    """Split `name` or `name@version`; raises ValueError for anything else."""
    match = re.fullmatch(r"([a-z0-9][a-z0-9_.-]{0,63})(?:@([A-Za-z0-9.+!-]{1,64}))?", text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is not a model name; write name or name@version")
    return match[1], match[2]
