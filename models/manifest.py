"""The bundle format: what training hands to serving, and nothing else.

A bundle is a folder `<name>/<version>/` with `manifest.json`, one or more ONNX files, `labels.csv`, `card.md` and
`samples.npz`, and `vocabulary.json` where the graph reads a text. This module owns the manifest as a whole and names every
fault at once; its sections are `models.sections`' part, the label table is `models.labels`', and whether a folder keeps
what its manifest promises `models.bundle`'s. No torch, no numpy: the gateway reads it too.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Literal

from packaging.version import InvalidVersion, Version
from pydantic import Field, ValidationError, model_validator

from models.faults import faults_of
from models.sections import (
    WORDS_OF,
    AnyText,
    Arithmetic,
    Calibration,
    ExplanationFacts,
    Fake,
    FileName,
    ImageInput,
    Licence,
    Output,
    Section,
    Sha256,
    Slug,
    Training,
    Variant,
)

FORMAT = 1
MANIFEST_BYTES_LIMIT = 1 << 20
MANIFEST_NAME = "manifest.json"

System = Literal[
    "plain", "pma", "pma_visual", "pma_student", "rams_trans", "s3n", "referring", "hard_attention", "router", "detector",
    "testing",
]  # fmt: skip
Task = Literal["classify", "ground", "answer", "route", "locate"]
#: `onnx` runs the bundle's graph; the others are the fakes that test the service without weights.
Backend = Literal["onnx", "echo", "slow", "crash", "wedge", "nan"]


def _graphs_of(task: Task) -> set[str]:
    return {"vision", "fuse"} if task == "ground" else {"main"}


class Manifest(Section):
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
    graphs: dict[Literal["main", "vision", "fuse"], FileName] = Field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    samples: FileName = "samples.npz"
    files: dict[FileName, Sha256]
    levels: tuple[Slug, ...] = ()
    calibration: Calibration = Calibration()
    explanation: ExplanationFacts | None = None
    batch_curve_ms: dict[int, float] = Field(default_factory=dict)
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
        named += [variant.samples for variant in self.variants if variant.samples is not None]
        if self.text is not None:
            named.append(self.text.file)
        if sum(variant.computes == "int8" for variant in self.variants) > ("main" in self.graphs):
            faults.append("one graph, called 'main', may have one variant that computes in 8 bits")
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
        needed = "phrases" if self.system == "pma" else WORDS_OF.get(self.system)
        given = None if self.text is None else self.text.kind
        if needed == given:
            return []
        if given is None:
            return [f"a {self.system} bundle needs 'text' of kind {needed!r}"]
        if needed is None:
            return [f"a bundle of system {self.system!r} reads no text, but 'text' is given"]
        return [f"a {self.system} bundle reads a text of kind {needed!r}, not {given!r}"]

    @property
    def int8(self) -> Variant | None:
        """The variant that computes in 8 bits, where there is one."""
        return next((variant for variant in self.variants if variant.computes == "int8"), None)

    def computing(self, arithmetic: Arithmetic) -> Manifest:
        """The bundle as it serves in that arithmetic: its 8-bit graph with what belongs to it, or itself without one."""
        variant = self.int8
        if arithmetic == "exact" or variant is None:
            return self
        changes = {
            "graphs": {"main": variant.file},
            "samples": variant.samples,
            "calibration": variant.calibration,
            "batch_curve_ms": variant.curve_ms,
        }
        return self.model_copy(update=changes)

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
        raise BundleError(folder.name, faults_of(error, "manifest")) from error


def read_classifier(folder: Path) -> Manifest:
    """Read the manifest of a bundle that sorts photos into classes, for their species or for the domain that they are of.

    Raises:
        BundleError: it is one for something else, or as `read_manifest`.
    """
    manifest = read_manifest(folder)
    if manifest.task not in ("classify", "route"):
        raise BundleError(manifest.identity, ["it sorts no photos into classes; name a bundle that does"])
    return manifest


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
