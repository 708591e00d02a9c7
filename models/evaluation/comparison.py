"""Systems side by side on the same photos: paired differences with intervals, what they allow to say, papers' figures.

A row is what one system made of one part, read from the report that its evaluation wrote; several reports under one name
are seeds of one system and are averaged photo by photo. Each row is compared with the reference on the photos that both
have. The rules: "better" where the 95 % interval of the difference excludes 0, "at least as good" where its lower end is
above -1.5 points.

The papers' figures are theirs, at 448 px on larger backbones, trained on the original photos: an aim, no fair row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.evaluation.figures import table
from models.evaluation.metrics import Interval, bootstrap, paired
from models.evaluation.report import ANSWERS_NAME
from models.training.data import DataError, read_csv

MARGIN = 0.015
HEADER = ("part", "system", "photos", "top-1", "95 % interval", "against {}", "95 % interval", "verdict")

#: Top-1 in per cent as published, by the data set's name, with the backbone.
PAPERS: dict[str, tuple[str, ...]] = {
    "cub_birds": (
        "PMA with text: 88.2 (VGG-16), 88.7 (ResNet-50)",
        "PMA image only: 86.8 (VGG-16), 87.5 (ResNet-50)",
        "RAMS-Trans: 91.3 (ViT-B/16; plain ViT-B/16: 90.6)",
        "S3N: 88.5 (ResNet-50)",
    ),
    "stanford_cars": ("S3N: 94.7 (ResNet-50)",),
}


@dataclass(frozen=True, slots=True)
class Row:
    """How often each photo of a part was right, by photo: 0 or 1, or between where seeds are averaged."""

    system: str
    part: str
    right: Mapping[str, float]

    @property
    def base(self) -> str:
        """The part without what was told beside its photos: rows of one base can be paired."""
        return self.part.partition(", ")[0]


def read_rows(reports: Iterable[tuple[str, Path]]) -> list[Row]:
    """The rows of reports, each with the name to show; those of one name and part are averaged.

    Raises:
        DataError: a folder holds no report with answers, or seeds were put to different photos.
    """
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for system, folder in reports:
        seeds: dict[str, dict[str, float]] = {}
        for line in read_csv(folder / ANSWERS_NAME, ("part", "photo", "class_id", "answered")):
            seeds.setdefault(line["part"], {})[line["photo"]] = float(line["answered"] == line["class_id"])
        for part, right in seeds.items():
            found.setdefault((system, part), []).append(right)
    return [Row(system, part, _averaged(system, part, seeds)) for (system, part), seeds in found.items()]


def _averaged(system: str, part: str, seeds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    if any(seed.keys() != seeds[0].keys() for seed in seeds):
        raise DataError(f"the reports named {system!r} were made on different photos of {part!r}")
    return {photo: float(np.mean([seed[photo] for seed in seeds])) for photo in seeds[0]}


def difference(row: Row, reference: Row) -> Interval:
    """By how much a row is right more often than the reference, on the photos that both have.

    Raises:
        DataError: they share no photo.
    """
    photos = sorted(row.right.keys() & reference.right.keys())
    if not photos:
        raise DataError(f"{row.system} and {reference.system} were put to no common photo of {row.base!r}")
    ours, theirs = (np.array([one.right[photo] for photo in photos]) for one in (row, reference))
    return paired(ours, theirs, photos)


def verdict(found: Interval) -> str:
    """What a difference allows to say."""
    if found.low > 0:
        return "better"
    if found.high < 0:
        return "worse, within the margin" if found.low > -MARGIN else "worse"
    return "at least as good" if found.low > -MARGIN else "undecided"


def to_markdown(rows: Sequence[Row], reference: str, dataset: str) -> str:
    """The table of all rows, grouped by base part, and the papers' figures below.

    Raises:
        DataError: no row has the reference's name.
    """
    if all(row.system != reference for row in rows):
        raise DataError(
            f"no report is named {reference!r}; there are {', '.join(sorted({row.system for row in rows}))}"
        )
    bases = {row.base: row for row in reversed(rows) if row.system == reference}
    header = tuple(cell.format(reference) for cell in HEADER)
    ordered = sorted(rows, key=lambda row: row.base)
    lines = [header, *(_cells(row, bases.get(row.base)) for row in ordered)]
    papers = "".join(f"- {line}\n" for line in PAPERS.get(dataset, ()))
    return table(lines) + (f"\nThe papers' own figures, at 448 px:\n\n{papers}" if papers else "")


def _cells(row: Row, reference: Row | None) -> tuple[str, ...]:
    photos = list(row.right)
    values = np.array([row.right[photo] for photo in photos])
    low, high = bootstrap(values, photos)
    shares = (f"{len(photos):,}", f"{100 * values.mean():.2f}", f"{100 * low:.2f} - {100 * high:.2f}")
    if reference is None or reference is row:
        return row.part, row.system, *shares, "", "", ""
    found = difference(row, reference)
    interval = f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"
    return row.part, row.system, *shares, f"{100 * found.mean:+.2f}", interval, verdict(found)
