"""Other models that an export is held against: read before anything is measured, so that a wrong name fails at once.

Owns which of them goes with which run. All of them answer from the photo alone; what they are asked is the business of
the modules that measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from export.parity import torch_outputs
from export.runtime import Ask, Graph, Inputs, Outputs
from export.scores import Preparation
from models.bundle import check_bundle
from models.labels import read_labels
from models.manifest import MANIFEST_NAME, BundleError, System, read_manifest
from models.preprocess import Pixels
from models.training.data import DataError
from models.training.runs import RunRecord, load_model


@dataclass(frozen=True, slots=True)
class Companion:
    """A model that answers from the photo alone: its name, its classes, how photos become its inputs, how it is asked.

    `temperature` is that of a bundle; a run has none yet.
    """

    identity: str
    class_ids: tuple[str, ...]
    preparation: Preparation
    ask: Ask
    temperature: float = 1.0

    def run(self, images: Pixels) -> Outputs:
        """Ask about photos uint8 [B, S, S, 3]."""
        return self.ask(Inputs(images))


@dataclass(frozen=True, slots=True)
class Folders:
    """Where companions lie: bundles, and for `unknown` a bundle or a run; each may be left out."""

    student: Path | None = None
    unknown: Path | None = None
    plain: Path | None = None


@dataclass(frozen=True, slots=True)
class Companions:
    """Who goes with an export.

    `student` sees what a text should fit, `unknown` was not taught some of the classes, `plain` is what a system must
    not fall far behind.
    """

    student: Companion | None = None
    unknown: Companion | None = None
    plain: Companion | None = None


def read_companions(folders: Folders, record: RunRecord) -> Companions:
    """Read those that are named.

    Raises:
        DataError: a model does not go with the run; the message says why.
        BundleError: a bundle is broken.
    """
    reads = record.system == "pma"
    if folders.student is not None and not reads:
        raise DataError(f"--student is held against texts, and {record.system} reads none")
    if folders.unknown is not None and reads:
        raise DataError(f"--unknown chooses a score of photos, and {record.system} answers by a text, too")
    student = read_bundle(folders.student) if folders.student else None
    if student is not None and student.class_ids != record.class_ids:
        raise DataError(f"{student.identity} has other classes than the run, or in another order")
    unknown = _read(folders.unknown) if folders.unknown else None
    plain = read_bundle(folders.plain, "plain") if folders.plain else None
    return Companions(student, unknown, plain)


def read_bundle(folder: Path, system: System | None = None) -> Companion:
    """A bundle, asked as it is stored; of one system where that is named.

    Raises:
        DataError: it needs more than the photo, or is of another system.
        BundleError: with every fault of the folder.
    """
    folder = folder.resolve()
    if faults := check_bundle(folder):
        raise BundleError(str(folder), faults)
    manifest = read_manifest(folder)
    if manifest.text is not None or "main" not in manifest.graphs:
        raise DataError(f"{manifest.identity} does not answer from the photo alone")
    if system not in (None, manifest.system):
        raise DataError(f"{manifest.identity} is of system {manifest.system}; one of system {system} is needed")
    return Companion(
        identity=manifest.identity,
        class_ids=tuple(label.class_id for label in read_labels(folder / "labels.csv", manifest.levels)),
        preparation=Preparation(manifest.image.size_px, manifest.image.fit),
        ask=Graph(folder / manifest.graphs["main"]),
        temperature=manifest.calibration.temperature,
    )


def _read(folder: Path) -> Companion:
    """A bundle, or a run, which torch answers for."""
    if (folder / MANIFEST_NAME).exists():
        return read_bundle(folder)
    record, model, _ = load_model(folder)
    if record.system == "pma":
        raise DataError(f"{folder} does not answer from the photo alone")
    return Companion(
        identity=f"{record.system} run {folder.name}",
        class_ids=record.class_ids,
        preparation=Preparation(record.size_px, record.fit),
        ask=lambda inputs: torch_outputs(model, inputs),
    )
