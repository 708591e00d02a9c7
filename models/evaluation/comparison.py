"""Systems side by side on the same photos: paired differences with intervals, what they allow to say, papers' figures.

A row is what one system made of one part, read from the report that its evaluation wrote; several reports under one name
are runs of one system from several seeds, and count on average. Each row is compared with the reference on the photos
that both have. The rules: "better" where the 95 % interval of the difference excludes 0 and so does the test, for all
systems compared on a part together; "at least as good" where the interval's lower end is above -1.5 points.

The papers' figures are theirs, at 448 px on larger backbones, trained on the original photos: an aim, no fair row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from models.evaluation.figures import table
from models.evaluation.items import group_of
from models.evaluation.metrics import Bools, Interval, bootstrap
from models.evaluation.report import ANSWERS_NAME, FIGURES_NAME, Effort
from models.evaluation.significance import compare_runs, holm
from models.training.data import DataError, read_csv

MARGIN = 0.015
LEVEL = 0.05
HEADER = ("part", "system", "photos", "top-1", "95 % interval", "against {}", "95 % interval", "p", "verdict")
EFFORT_HEADER = ("steps", "CPU min")

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
    """Whether each photo of a part was right, by photo, in each run of a system; and what the runs cost, where known.

    `group` names the classes that a row is about, where it is not about the whole part.
    """

    system: str
    part: str
    runs: tuple[Mapping[str, bool], ...]
    efforts: tuple[Effort, ...] = ()
    group: str = ""

    @property
    def base(self) -> str:
        """The part without what was told beside its photos, and the group: rows of one base can be paired."""
        return ", ".join(filter(None, (self.part.partition(", ")[0], self.group)))

    @property
    def name(self) -> str:
        """The part as it is shown."""
        return ", ".join(filter(None, (self.part, self.group)))

    def hits(self, photos: Sequence[str]) -> Bools:
        """Bool [runs, photos]."""
        return np.array([[run[photo] for photo in photos] for run in self.runs], np.bool_)


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much a row is right more often than the reference, and how likely so much is by chance."""

    interval: Interval
    p: float


class _Cost(msgspec.Struct):
    """Of an evaluation's figures what a row needs beside its answers."""

    effort: Effort | None = None


def read_rows(reports: Iterable[tuple[str, Path]], dataset: str) -> list[Row]:
    """The rows of reports, each with the name to show, and of their groups; those of one name and part are runs of one row.

    Raises:
        DataError: a folder holds no report with answers, or runs of one name were put to different photos.
    """
    found: dict[tuple[str, str, str], list[tuple[dict[str, bool], Effort | None]]] = {}
    for system, folder in reports:
        parts: dict[tuple[str, str], dict[str, bool]] = {}
        for line in read_csv(folder / ANSWERS_NAME, ("part", "photo", "class_id", "answered")):
            for group in {"", group_of(dataset, line["part"], line["class_id"])}:
                parts.setdefault((line["part"], group), {})[line["photo"]] = line["answered"] == line["class_id"]
        effort = _read_effort(folder / FIGURES_NAME)
        for (part, group), right in sorted(parts.items()):
            found.setdefault((system, part, group), []).append((right, effort))
    return [_row(system, part, group, runs) for (system, part, group), runs in found.items()]


def _read_effort(path: Path) -> Effort | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Cost).effort
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path} cannot be read as the figures of an evaluation: {error}") from error


def _row(system: str, part: str, group: str, found: Sequence[tuple[dict[str, bool], Effort | None]]) -> Row:
    runs = tuple(right for right, _ in found)
    if any(run.keys() != runs[0].keys() for run in runs):
        raise DataError(f"the reports named {system!r} were made on different photos of {part!r}")
    return Row(system, part, runs, tuple(effort for _, effort in found if effort is not None), group)


def difference(row: Row, reference: Row) -> Difference:
    """A row against the reference, on the photos that both have; McNemar's test of single runs, else the bootstrap's.

    Raises:
        DataError: they share no photo.
    """
    photos = sorted(row.runs[0].keys() & reference.runs[0].keys())
    if not photos:
        raise DataError(f"{row.system} and {reference.system} were put to no common photo of {row.base!r}")
    return Difference(*compare_runs(row.hits(photos), reference.hits(photos), photos))


def verdict(found: Interval, p: float) -> str:
    """What a difference allows to say; `p` counts how many were looked at."""
    if found.low > 0 and p < LEVEL:
        return "better"
    if found.high < 0 and p < LEVEL:
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
    ordered = sorted(rows, key=lambda row: row.base)
    found = [_against(row, bases.get(row.base)) for row in ordered]
    corrected = _corrected(ordered, found)
    has_effort = any(row.efforts for row in rows)
    header = (*(cell.format(reference) for cell in HEADER), *(EFFORT_HEADER if has_effort else ()))
    lines = [header]
    for row, one, p in zip(ordered, found, corrected, strict=True):
        compared = ("", "", "", "") if one is None else _compared(one.interval, p)
        lines.append((*_shares(row), *compared, *(_effort(row) if has_effort else ())))
    papers = "".join(f"- {line}\n" for line in PAPERS.get(dataset, ()))
    return table(lines) + (f"\nThe papers' own figures, at 448 px:\n\n{papers}" if papers else "")


def _against(row: Row, reference: Row | None) -> Difference | None:
    return None if reference is None or reference is row else difference(row, reference)


def _corrected(rows: Sequence[Row], found: Sequence[Difference | None]) -> list[float]:
    """The p of each row for all that are compared on its part; 1 where nothing is compared."""
    values = [1.0] * len(rows)
    for base in dict.fromkeys(row.base for row in rows):
        places = [place for place, row in enumerate(rows) if row.base == base and found[place] is not None]
        family = holm([one.p for place in places if (one := found[place]) is not None])
        for place, p in zip(places, family, strict=True):
            values[place] = p
    return values


def _shares(row: Row) -> tuple[str, ...]:
    photos = list(row.runs[0])
    values = row.hits(photos).mean(axis=0)
    low, high = bootstrap(values, photos)
    runs = f", {len(row.runs)} runs" if len(row.runs) > 1 else ""
    interval = f"{100 * low:.2f} - {100 * high:.2f}"
    return row.name, f"{row.system}{runs}", f"{len(photos):,}", f"{100 * values.mean():.2f}", interval


def _compared(found: Interval, p: float) -> tuple[str, ...]:
    interval = f"{100 * found.low:+.2f} to {100 * found.high:+.2f}"
    return f"{100 * found.mean:+.2f}", interval, f"{p:.3f}", verdict(found, p)


def _effort(row: Row) -> tuple[str, ...]:
    """Steps and CPU minutes of a run, in the mean; blank where they are not known of all."""
    if len(row.efforts) < len(row.runs):
        return "", ""
    steps = np.mean([effort.steps for effort in row.efforts])
    noted = [effort.cpu_s for effort in row.efforts if effort.cpu_s is not None]
    return f"{steps:,.0f}", f"{np.mean(noted) / 60:.0f}" if len(noted) == len(row.efforts) else ""
