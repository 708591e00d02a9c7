"""What a classifier's run is: enough to continue it and to build its model again.

The file is `records`' part, the state the loop's, the numbers the recipes'.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from models.pma import Part
from models.preprocess import Fit
from models.rams_trans import RegionRule
from models.systems import Build, Setting, System, build
from models.training.data import DataError, Dataset, hold_out_classes, read_dataset
from models.training.loop import HISTORY_NAME
from models.training.losses import Phases
from models.training.records import read_record_as, read_state


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run is: two runs with equal records do the same.

    `weights` names what the run started from, a file of published weights, a bundle or a run; `teacher` whom a student
    learnt from, softened by `tau`. `limit` is the number of photos where not all were used, `held_out` that of classes
    set aside. `words` counts the ids of the vocabulary that lies in the run's folder. `frozen`: only what stands on top of the backbone was
    trained. `stages` and `without` are an ablation's. `region` and `phases` are the recipe's; of runs from before these were on
    record they are what all recipes had. `members` are the models whose weights were averaged, where it is no
    training at all.
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
    tau: float = 1.0
    members: tuple[str, ...] = ()
    region: RegionRule = RegionRule()  # noqa: RUF009  # frozen
    phases: Phases = Phases()  # noqa: RUF009  # frozen

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
            self.region,
        )


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a run came: epochs, and the share of its end where it ended in an average with its start."""

    epochs: int
    blend: float | None


def read_record(folder: Path) -> RunRecord:
    """Read the record of the run in `folder`; raises DataError where there is none."""
    return read_record_as(folder, RunRecord)


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


def effort_of(folder: Path) -> tuple[int, float | None]:
    """Optimiser steps of the run in `folder`, and its CPU time in seconds; None where an epoch's was not noted."""
    steps = int(read_state(folder)["step"])
    lines = map(json.loads, (folder / HISTORY_NAME).read_text(encoding="utf-8").splitlines())
    epochs = [line for line in lines if "loss" in line]
    if any("cpu_s" not in epoch for epoch in epochs):
        return steps, None
    return steps, sum(float(epoch["cpu_s"]) for epoch in epochs)


def load_model(folder: Path) -> tuple[RunRecord, nn.Module, Reached]:
    """The run's record, its averaged model in evaluation mode, and how far the run came."""
    record = read_record(folder)
    state = read_state(folder)
    model = build(record.build)
    model.load_state_dict(state["averaged"])
    return record, model.eval(), Reached(int(state["epoch"]), state["blend"])
