"""An evaluation of grounding on disk: its table, and every answer, so that another one can be compared with it item by item."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.evaluation.grounding.answers import Answered
from models.evaluation.grounding.items import Item
from models.training.data import Box, DataError, read_csv

ANSWERS_NAME, TABLE_NAME = "answers.csv", "table.md"
_SIDES = ("x1", "y1", "x2", "y2")
_COLUMNS = ("part", "photo", "expression", *_SIDES, "iou", "presence", "quality")


def write_answers(folder: Path, answered: Answered, table: str) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TABLE_NAME).write_text(table, encoding="utf-8")
    with (folder / ANSWERS_NAME).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for item, box, iou, conf in zip(answered.items, answered.boxes, answered.iou, answered.conf, strict=True):
            sides = (f"{side:.4f}" for side in box)
            writer.writerow((item.part, item.photo, item.text, *sides, repr(float(iou)), *(f"{x:.4f}" for x in conf)))


def read_answers(folder: Path, items: Sequence[Item]) -> Answered:
    """Another evaluation's answers to the items that both were asked, in the order of `items`.

    Raises:
        DataError: there are none, or a line is none.
    """
    lines: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for line in read_csv(folder / ANSWERS_NAME, _COLUMNS):
        lines.setdefault((line["part"], line["photo"], line["expression"]), []).append(line)
    both: list[Item] = []
    found: list[dict[str, str]] = []
    for item in items:
        if waiting := lines.get((item.part, item.photo, item.text)):
            both.append(item)
            found.append(waiting.pop(0))  # the same words may be asked of a photo twice, about two things
    try:
        boxes: list[Box] = []
        for line in found:
            left, top, right, bottom = (float(line[side]) for side in _SIDES)
            boxes.append((left, top, right, bottom))
        iou = np.array([float(line["iou"]) for line in found])
        conf = np.array([[float(line["presence"]), float(line["quality"])] for line in found]).reshape(-1, 2)
    except ValueError as error:
        raise DataError(f"{folder / ANSWERS_NAME}: a number cannot be read ({error})") from error
    return Answered(both, boxes, iou, conf)
