"""How answers are printed: for a person, as JSON Lines, as CSV.

JSON Lines holds the objects of the HTTP interface, answers and problem documents alike, with `path` first. CSV has a row
for each prediction. In both a photo that failed, or shows no subject, keeps its place.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TextIO

import msgspec

from service.answers import ClassifyAnswer, Prediction, SubjectsAnswer
from service.errors import FieldmarkError

Result = ClassifyAnswer | SubjectsAnswer | FieldmarkError

_NO_SUBJECT = "no subject was found"


class Writer(Protocol):
    """Writes one result after another."""

    def write(self, path: Path, result: Result) -> None:
        """Write the result of one photo."""


class TextWriter:
    """A few lines a photo, for a person; failures are left to stderr."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, path: Path, result: Result) -> None:
        """Write the result of one photo."""
        if isinstance(result, FieldmarkError):
            return
        if isinstance(result, SubjectsAnswer):
            for subject in result.subjects:
                self.write(path, subject)
            if not result.subjects:
                self._stream.write(f"{name_of(path)}: {_NO_SUBJECT}\n")
            return
        note = f", uncertain: {result.reason}" if result.uncertain is True else ""
        self._stream.write(f"{name_of(path)} ({result.model.name} {result.model.version}{note})\n")
        if isinstance(result.text_reason, str):
            self._stream.write(f"  {result.text_reason}\n")
        if result.text_conflict is True:
            self._stream.write("  The text seems to speak of something else than the photo shows.\n")
        for prediction in result.predictions:
            self._stream.write(f"{prediction.probability:8.1%}  {prediction.label}{_finest_name(prediction)}\n")


class JsonWriter:
    """One JSON object a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, path: Path, result: Result) -> None:
        """Write the result of one photo."""
        if isinstance(result, FieldmarkError):
            told: dict[str, object] = {
                "type": result.slug, "title": result.title, "status": result.status, "detail": result.detail
            }  # fmt: skip
        else:
            told = msgspec.to_builtins(result)
        self._stream.write(msgspec.json.encode({"path": name_of(path)} | told).decode() + "\n")


class CsvWriter:
    """One row a prediction, with a column for each of `levels`."""

    def __init__(self, stream: TextIO, levels: Sequence[str]) -> None:
        self._levels = levels
        self._table = csv.writer(stream, lineterminator="\n")
        self._table.writerow(
            ["path", "model", "rank", "class_id", "label", "probability", *levels, "uncertain", "error"]
        )

    def write(self, path: Path, result: Result) -> None:
        """Write the result of one photo."""
        if isinstance(result, FieldmarkError):
            self._write_fault(path, f"{result.slug}: {result.detail}")
            return
        if isinstance(result, SubjectsAnswer):
            for subject in result.subjects:
                self.write(path, subject)
            if not result.subjects:
                self._write_fault(path, _NO_SUBJECT)
            return
        model = f"{result.model.name}@{result.model.version}"
        uncertain = ("yes" if result.uncertain else "no") if isinstance(result.uncertain, bool) else ""
        for rank, prediction in enumerate(result.predictions, 1):
            names = _levels_of(prediction)
            self._table.writerow(
                [name_of(path), model, rank, prediction.class_id, prediction.label, f"{prediction.probability:.6f}"]
                + [names.get(level, "") for level in self._levels]
                + [uncertain, ""]
            )

    def _write_fault(self, path: Path, sentence: str) -> None:
        self._table.writerow([name_of(path), *[""] * (6 + len(self._levels)), sentence])


def name_of(path: Path) -> str:
    """A path as text that can be written; bytes of a name that are not UTF-8 are shown as U+FFFD."""
    return os.fsencode(path).decode(errors="replace")


def _levels_of(prediction: Prediction) -> dict[str, str]:
    return prediction.levels if isinstance(prediction.levels, dict) else {}


def _finest_name(prediction: Prediction) -> str:
    """Give the name on the finest level where the label does not say it already, such as the Latin one."""
    names = list(_levels_of(prediction).values())
    return f"  ({names[-1]})" if names and names[-1].lower() not in prediction.label.lower() else ""
