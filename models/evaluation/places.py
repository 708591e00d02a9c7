"""Where the subject and its parts are in a photo, as people marked them: what explanations are compared with.

Owns the reader of CUB-200-2011's boxes and part points. Everything is in 0..1 of the whole photo, so that it holds for a
photo of any stored size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.training.data import DataError, read_csv


@dataclass(frozen=True, slots=True)
class Place:
    """The subject's box and its visible parts (x, y) in 0..1 of a photo of so many original pixels."""

    photo: str
    photo_width: int
    photo_height: int
    x: float
    y: float
    width: float
    height: float
    parts: tuple[tuple[float, float], ...]


def read_places(root: Path) -> dict[str, Place]:
    """The places in all whole photos of CUB-200-2011, by photo.

    Raises:
        DataError: a table is missing or a point is no pair of numbers.
    """
    parts = {line.pop("image_id"): list(line.values()) for line in read_csv(root / "parts.csv.gz", ("image_id",))}
    places = {}
    columns = ("image_id", "framing", "orig_width", "orig_height", "box_x", "box_y", "box_w", "box_h")
    for line in read_csv(root / "index.csv.gz", columns):
        if line["framing"] == "whole":
            places[line["image_id"]] = _place(line, parts.get(line["image_id"], []))
    return places


def _place(line: dict[str, str], points: list[str]) -> Place:
    try:
        wide, high = int(line["orig_width"]), int(line["orig_height"])
        x, y, width, height = (float(line[f"box_{side}"]) for side in ("x", "y", "w", "h"))
        pairs = [tuple(float(value) for value in point.split()) for point in points if point]
        parts = tuple((across / wide, down / high) for across, down in pairs)
    except ValueError as error:
        raise DataError(f"photo {line['image_id']}: its box or a part cannot be read ({error})") from error
    return Place(line["image_id"], wide, high, x / wide, y / high, width / wide, height / high, parts)
