"""The record of a training run, kept beside its state: enough to continue the run and to build its model again.

Owns `run.json`. The state itself belongs to `models.training.loop`, the numbers to the recipes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import msgspec
import torch
from torch import nn

from models.pma import Part
from models.preprocess import Fit
from models.systems import Build, Setting, System, build
from models.training.data import DataError, Dataset, hold_out_classes, read_dataset
from models.training.loop import STATE_NAME

RECORD_NAME = "run.json"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run is: two runs with equal records do the same.

    `weights` names what the run started from, a file of published weights, a bundle or a run; `teacher` whom a student
    learnt from. `limit` is the number of photos where not all were used, `held_out` that of classes set aside. `words`
    counts the ids of the vocabulary that lies in the run's folder. `frozen`: only what stands on top of the backbone was
    trained. `stages` and `without` are an ablation's.
    """

    system: System
    recipe: str
    dataset: str
    class_ids: tuple[str, ...]
    backbone: str
    size_px: int
    fit: Fit
    epochs: int
    seed: int
    weights: str | None = None
    limit: int | None = None
    setting: Setting = "reduced"
    words: int | None = None
    teacher: str | None = None
    held_out: int = 0
    frozen: bool = False
    stages: int = 3
    without: tuple[Part, ...] = ()

    @property
    def build(self) -> Build:
        """What the run's model is built from."""
        return Build(
            self.system,
            self.backbone,
            self.size_px,
            len(self.class_ids),
            self.words,
            self.setting,
            self.stages,
            self.without,
        )


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a run came: epochs, and the share of its end where it ended in an average with its start."""

    epochs: int
    blend: float | None


def write_record(folder: Path, record: RunRecord) -> None:
    """Write the record of a new run, or check that an old one in `folder` is the same run.

    Raises:
        DataError: the folder holds another run; the message names what differs.
    """
    path = folder / RECORD_NAME
    if path.exists():
        kept = read_record(folder)
        differing = [field.name for field in fields(record) if getattr(kept, field.name) != getattr(record, field.name)]
        if differing:
            raise DataError(f"{folder} holds a run with other {', '.join(differing)}; name another folder")
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read_record(folder: Path) -> RunRecord:
    """Read the record of the run in `folder`; raises DataError where there is none."""
    try:
        return msgspec.json.decode((folder / RECORD_NAME).read_bytes(), type=RunRecord)
    except OSError as error:
        raise DataError(f"{folder} holds no training run ({RECORD_NAME} is missing)") from error
    except msgspec.DecodeError as error:
        raise DataError(f"{folder / RECORD_NAME} is not a run's record: {error}") from error


def dataset_of(record: RunRecord, root: Path) -> Dataset:
    """The data that a run was trained on, with the same classes set aside.

    Raises:
        DataError: `root` cannot be read, or has other classes.
    """
    dataset = read_dataset(record.dataset, root)
    if record.held_out:
        dataset = hold_out_classes(dataset, record.held_out)
    if dataset.class_ids != record.class_ids:
        raise DataError(f"{root} has other classes than the run was trained on")
    return dataset


def load_model(folder: Path) -> tuple[RunRecord, nn.Module, Reached]:
    """The run's record, its averaged model in evaluation mode, and how far the run came."""
    record = read_record(folder)
    path = folder / STATE_NAME
    if not path.exists():
        raise DataError(f"{folder} has not finished its first epoch")
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = build(record.build)
    model.load_state_dict(state["averaged"])
    return record, model.eval(), Reached(int(state["epoch"]), state["blend"])
