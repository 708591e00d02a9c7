"""Tables as the photo collections have them: CSV, compressed where the name's end says so."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path


def write_table(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    """Write rows under a header with commas in it."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)


def read_table(path: Path) -> list[dict[str, str]]:
    """Read rows by column."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", newline="") as file:
        return list(csv.DictReader(file))
