"""Who teaches a student: a finished run, or a bundle, asked for its logits on the student's own views.

Owns reading either of them. A teacher is never trained, always in evaluation mode, and reads the photo's text if it is
a system that does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.labels import read_labels
from models.layers.precision import exact
from models.manifest import MANIFEST_NAME, read_classifier
from models.text import VOCABULARY_NAME, Vocabulary, read_vocabulary
from models.training.losses import Teacher, logits_of
from models.training.runs import load_model


@dataclass(frozen=True, slots=True)
class TeacherModel:
    """A teacher, by what is told of it on record, what it knows and how it is asked."""

    identity: str
    class_ids: tuple[str, ...]
    vocabulary: Vocabulary | None
    logits: Teacher


def read_teacher(folder: Path) -> TeacherModel:
    """The teacher in a bundle's or a run's folder.

    Raises:
        DataError: the folder holds no run whose first epoch is done.
        BundleError: the bundle cannot be read.
    """
    return _of_bundle(folder) if (folder / MANIFEST_NAME).exists() else _of_run(folder)


def _of_run(folder: Path) -> TeacherModel:
    record, model, _ = load_model(folder)
    vocabulary = read_vocabulary(folder / VOCABULARY_NAME) if record.words is not None else None
    return TeacherModel(f"{record.system} run {folder.name}", record.class_ids, vocabulary, _asking_model(model))


def _asking_model(model: nn.Module) -> Teacher:
    model.requires_grad_(False)

    @torch.no_grad()
    @exact  # what is taught is not rounded as the student's own steps are
    def logits(images: Tensor, phrases: Tensor | None) -> Tensor:
        return logits_of(model.to(images.device), images, phrases).float()

    return logits


def _of_bundle(folder: Path) -> TeacherModel:
    manifest = read_classifier(folder)
    labels = read_labels(folder / "labels.csv", manifest.levels)
    vocabulary = read_vocabulary(folder / manifest.text.file) if manifest.text is not None else None
    session = ort.InferenceSession(folder / manifest.graphs["main"], providers=["CPUExecutionProvider"])
    logits = _asking_graph(session, manifest.image.size_px, vocabulary is not None)
    return TeacherModel(manifest.identity, tuple(label.class_id for label in labels), vocabulary, logits)


def _asking_graph(session: ort.InferenceSession, size_px: int, reads: bool) -> Teacher:
    def logits(images: Tensor, phrases: Tensor | None) -> Tensor:
        sized = F.interpolate(images.float(), (size_px, size_px), mode="bilinear", align_corners=False)
        photos = sized.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
        fed: dict[str, object] = {"image": photos}
        if reads and phrases is not None:
            fed["phrases"] = phrases.cpu().numpy()
        (found,) = session.run(["logits"], fed)
        return torch.from_numpy(np.asarray(found, np.float32)).to(images.device)

    return logits
