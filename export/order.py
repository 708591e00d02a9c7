"""What is asked of an export, and the finished run that it begins with.

Owns reading the run: record, weights, vocabulary, terms, and the photos that it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from export.provenance import Source, licence_of, source_of
from export.role import Role, role_of
from export.scores import Preparation
from export.subject import Photos
from export.trust.companions import Folders
from models.sections import Licence
from models.text import VOCABULARY_NAME, Vocabulary, read_vocabulary
from models.training.runs import Reached, RunRecord, dataset_of, load_model
from models.training.texts import read_texts


@dataclass(frozen=True, slots=True)
class Order:
    """What to export, from where to where.

    `scenes` is a folder of photos to paste test crops into, `explain` the number of photos to judge explanations on,
    `companions` are other models that the bundle is held against, `limit` bounds the photos of each part.
    """

    run: Path
    data: Path
    store: Path
    name: str
    version: str
    domain: str | None = None
    is_default: bool = False
    licence: str | None = None
    scenes: Path | None = None
    limit: int | None = None
    explain: int = 0
    companions: Folders = field(default_factory=Folders)

    @property
    def identity(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Trained:
    """A run's model and what is known of it; `source` is None where the photos are the user's own."""

    record: RunRecord
    model: nn.Module
    reached: Reached
    role: Role
    source: Source | None
    licence: Licence
    vocabulary: Vocabulary | None

    @property
    def preparation(self) -> Preparation:
        """How photos and texts become inputs."""
        return Preparation(self.record.size_px, self.record.fit, self.vocabulary)


def read_run(order: Order) -> Trained:
    """Read the run.

    Raises:
        DataError: there is none, its terms are unknown, or it cannot play its role.
    """
    record, model, reached = load_model(order.run)
    return Trained(
        record=record,
        model=model,
        reached=reached,
        role=role_of(record, order.domain, order.name),
        source=source_of(record, order.licence),
        licence=licence_of(record, order.licence),
        vocabulary=read_vocabulary(order.run / VOCABULARY_NAME) if record.system == "pma" else None,
    )


def read_photos(order: Order, trained: Trained) -> Photos:
    """Read the run's data, with a text to each photo where the run reads them.

    Raises:
        DataError: the data has other classes, or no texts.
    """
    dataset = dataset_of(trained.record, order.data)
    texts = read_texts(dataset, order.data) if trained.vocabulary is not None else None
    return Photos(dataset, order.data, texts)
