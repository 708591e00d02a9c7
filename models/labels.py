"""The label table of a bundle, `labels.csv`: its classes in the order of the graph's outputs, with their levels.

No torch, no numpy: the gateway reads it too.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from models.manifest import BundleError


@dataclass(frozen=True, slots=True)
class Label:
    """One class: `class_id` is the training folder's name, `label` a person's word, `levels` from coarse to fine."""

    class_id: str
    label: str
    levels: dict[str, str]


def read_labels(path: Path, levels: tuple[str, ...]) -> tuple[Label, ...]:
    """Read `labels.csv` (columns class_id, label, then `levels`), in the order of the model's outputs."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            expected = ["class_id", "label", *levels]
            if list(reader.fieldnames or ()) != expected:
                raise BundleError(path.name, [f"columns must be {', '.join(expected)}"])
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BundleError(path.name, ["the label table cannot be read"]) from error
    if any(None in row or None in row.values() for row in rows):
        raise BundleError(path.name, [f"every line must have {len(expected)} values"])
    labels = tuple(Label(row["class_id"], row["label"], {level: row[level] for level in levels}) for row in rows)
    if len({label.class_id for label in labels}) != len(labels):
        raise BundleError(path.name, ["class ids are not unique"])
    return labels
