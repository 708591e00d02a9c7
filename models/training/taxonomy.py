"""What the classes are called: the label a person uses, and the levels above it (order, family ... or make, model ...).

Owns the tables in `labels/`, one for each research set, and the `labels.csv` that a bundle carries. A user's own
classes need no table. Which rows a model has, and in which order, is the data set's to say.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.labels import Label
from models.training.data import DataError

_FOLDER = Path(__file__).parent / "labels"
#: The table that belongs to a data set's name.
TABLES: dict[str, Path] = {"cub_birds": _FOLDER / "birds.csv", "stanford_cars": _FOLDER / "cars.csv"}


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Classes by name; every row has all of `levels`, which run from coarse to fine."""

    levels: tuple[str, ...]
    rows: tuple[Label, ...]

    def ordered(self, class_ids: Sequence[str]) -> LabelTable:
        """The rows of `class_ids` in that order: that of a model's outputs.

        Raises:
            DataError: a class has no row.
        """
        by_id = {row.class_id: row for row in self.rows}
        missing = [class_id for class_id in class_ids if class_id not in by_id]
        if missing:
            raise DataError(f"the label table has no row for {len(missing)} class(es), the first is {missing[0]!r}")
        return LabelTable(self.levels, tuple(by_id[class_id] for class_id in class_ids))


def labels_for(dataset: str, class_ids: Sequence[str]) -> LabelTable:
    """The labels of a data set's classes: from its table in `TABLES`, else made from the class ids, without levels."""
    if dataset in TABLES:
        return read_levels(TABLES[dataset]).ordered(class_ids)
    return LabelTable((), tuple(Label(class_id, class_id.replace("_", " "), {}) for class_id in class_ids))


def read_levels(path: Path) -> LabelTable:
    """Read a table with the columns class_id, label and then one per level, coarse to fine.

    Raises:
        DataError: another header, an empty cell, a row of another length, or a class id that stands twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file, strict=True)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as a table of labels") from error
    if header[:2] != ["class_id", "label"] or len(set(header)) != len(header):
        raise DataError(f"{path.name}: the columns must be class_id, label and one per level, not {', '.join(header)}")
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header) or not all(line):
            raise DataError(f"{path.name}, row {number}: needs {len(header)} cells, none of them empty")
    if len({line[0] for line in lines}) != len(lines):
        raise DataError(f"{path.name}: a class id stands twice")
    levels = tuple(header[2:])
    return LabelTable(
        levels, tuple(Label(line[0], line[1], dict(zip(levels, line[2:], strict=True))) for line in lines)
    )


def write_labels(path: Path, table: LabelTable) -> None:
    """Write a bundle's `labels.csv`; `models.labels.read_labels` reads it back."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class_id", "label", *table.levels])
        for row in table.rows:
            writer.writerow([row.class_id, row.label, *(row.levels[level] for level in table.levels)])
