"""What an evaluation found, as figures for the terminal and for programs, and as files to keep.

Owns the report's contents and layout. Each part is reported with its groups; the files of a part are named after it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from models.calibration import Ints, softmax
from models.evaluation.asking import Asked
from models.evaluation.diagnosis import Diagnosis
from models.evaluation.diagnosis import to_markdown as show_diagnosis
from models.evaluation.figures import Figures, Scored, judge, markdown
from models.evaluation.metrics import confusion, reliability
from models.evaluation.plots import plot_confusion, plot_reliability
from models.labels import Label

SHOWN_LIMIT = 20
#: What was answered photo by photo; `models.evaluation.comparison` pairs systems by it.
ANSWERS_NAME = "answers.csv"
FIGURES_NAME = "figures.json"


@dataclass(frozen=True, slots=True)
class Effort:
    """What a run cost so far: optimiser steps, and CPU time of the process in seconds, where all of it was noted."""

    steps: int
    cpu_s: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a model on parts of a data set; `compared` photos were put to a service too.

    `effort` is there where the model is a run, `diagnosis` where its parts were heard.
    """

    model: str
    dataset: str
    temperature: float
    figures: tuple[Figures, ...]
    failures: tuple[str, ...]
    compared: int
    differences: tuple[str, ...]
    effort: Effort | None = None
    diagnosis: Diagnosis | None = None

    @property
    def is_clean(self) -> bool:
        """Every photo was answered, and the service said what the engine said."""
        return not self.failures and not self.differences


def make_report(
    model: str,
    dataset: str,
    temperature: float,
    parts: Sequence[Asked],
    is_compared: bool = False,
    effort: Effort | None = None,
) -> Report:
    """Judge what was answered."""
    rows = [row for asked in parts for row in judge(asked.scored, dataset, temperature)]
    failures = tuple(failure for asked in parts for failure in asked.failures)
    answered = sum(len(asked.scored.labels) for asked in parts)
    return Report(
        model=model,
        dataset=dataset,
        temperature=temperature,
        figures=tuple(rows),
        failures=failures,
        compared=answered + len(failures) if is_compared else 0,
        differences=tuple(difference for asked in parts for difference in asked.differences),
        effort=effort,
    )


def to_text(report: Report) -> str:
    """The figures as a table, what the model's parts say, whether the service agrees, then the first of what went wrong."""
    lines = [f"{report.model} on {report.dataset}, shares in per cent\n\n{markdown(report.figures)}"]
    if report.diagnosis is not None:
        lines.append(f"\nIts parts on their own:\n\n{show_diagnosis(report.diagnosis)}")
    if report.compared:
        equal = report.compared - len(report.differences)
        lines.append(f"\nThe service agrees with the engine on {equal:,} of {report.compared:,} photos.\n")
    wrong = [*report.failures, *report.differences]
    lines += [f"{line}\n" for line in wrong[:SHOWN_LIMIT]]
    if len(wrong) > SHOWN_LIMIT:
        lines.append(f"... and {len(wrong) - SHOWN_LIMIT:,} more\n")
    return "".join(lines)


def to_json(report: Report) -> bytes:
    """The report as one JSON object."""
    return msgspec.json.encode(report)


def write_report(folder: Path, report: Report, parts: Sequence[Asked], labels: Sequence[Label]) -> None:
    """Write `report.md`, `figures.json`, all answers and, for each part, a table of its classes and two plots."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FIGURES_NAME).write_bytes(msgspec.json.format(to_json(report), indent=2) + b"\n")
    lines = [f"# {report.model} on {report.dataset}\n", markdown(report.figures)]
    if report.diagnosis is not None:
        lines.append(f"## Its parts on their own\n\n{show_diagnosis(report.diagnosis)}")
    answered = [asked.scored for asked in parts if len(asked.scored.labels)]
    _write_answers(folder / ANSWERS_NAME, answered, report.temperature, labels)
    lines += [_write_part(folder, scored, report.temperature, labels) for scored in answered]
    (folder / "report.md").write_text("\n".join(lines), encoding="utf-8")


def _write_part(folder: Path, scored: Scored, temperature: float, labels: Sequence[Label]) -> str:
    """The part's files; gives the lines of the report that show them."""
    name = scored.part.name
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    picks = scored.logits.argmax(axis=1)
    before, after = (softmax(scored.logits, divisor).max(axis=1) for divisor in (1.0, temperature))
    matrix = confusion(scored.labels, picks, len(labels))
    is_right = picks == scored.labels
    _write_classes(folder / f"{stem}-classes.csv", matrix, labels)
    plot_confusion(folder / f"{stem}-confusion.png", matrix, name)
    plot_reliability(
        folder / f"{stem}-reliability.png", reliability(before, is_right), reliability(after, is_right), name
    )
    return (
        f"## {name}\n\n![confusion]({stem}-confusion.png)\n\n![reliability]({stem}-reliability.png)\n\n"
        f"Each class: [{stem}-classes.csv]({stem}-classes.csv)\n"
    )


def _write_answers(path: Path, parts: Sequence[Scored], temperature: float, labels: Sequence[Label]) -> None:
    """Each photo with its class, the answered one and how probable that seemed."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["part", "photo", "class_id", "answered", "probability"])
        for scored in parts:
            probabilities = softmax(scored.logits, temperature)
            picks = probabilities.argmax(axis=1)
            for item, pick, row in zip(scored.part.items, picks.tolist(), probabilities, strict=True):
                answered = labels[pick].class_id
                writer.writerow([scored.part.name, item.photo, item.class_id, answered, f"{row[pick]:.4f}"])


def _write_classes(path: Path, matrix: Ints, labels: Sequence[Label]) -> None:
    """Each class with its accuracy and what it is most often taken for."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class_id", "label", "photos", "top1", "most_taken_for", "taken"])
        for index, label in enumerate(labels):
            row = matrix[index].copy()
            count, right = int(row.sum()), int(row[index])
            row[index] = 0
            other = int(row.argmax())
            wrong = [labels[other].label, int(row[other])] if row[other] else ["", 0]
            writer.writerow([label.class_id, label.label, count, round(right / count, 4) if count else "", *wrong])
