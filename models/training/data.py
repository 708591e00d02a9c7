"""Which photos there are, what each shows, and which of them a model may learn from.

Owns the readers of a user's folder or CSV index and of the two research sets, and the split: a fixed tenth of the
training photos, chosen by a hash of the photo and never by the file, validates and calibrates. All views of one
photo (crop and whole) fall on the same side.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

VALIDATION_SHARE = 0.1
HOLD_OUT_SEED = 2011
#: The split of photos whose class a model was not taught.
UNKNOWN = "unknown"
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


class DataError(ValueError):
    """A data set cannot be read as it stands; the message says which file and what to change."""


#: Left, top, right and bottom of the subject, as shares of the stored photo's sides.
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One stored view of one photo.

    `subject` is where its subject is, where that is known and not the whole view; `text` what a person wrote about it.
    """

    path: Path
    class_id: str
    split: str
    photo: str
    framing: str = "whole"
    subject: Box | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows by their use, and the class ids in the order of the model's outputs."""

    name: str
    rows: tuple[Row, ...]
    class_ids: tuple[str, ...] = field(default=())

    def part(self, split: str, framing: str | None = None) -> list[Row]:
        """Rows of `train`, `validation` or `test` (or any split that the index names), of one framing if asked."""
        return [row for row in self.rows if row.split == split and framing in (None, row.framing)]

    def labels(self, rows: Sequence[Row]) -> list[int]:
        """The output index of each row's class."""
        index = {class_id: number for number, class_id in enumerate(self.class_ids)}
        return [index[row.class_id] for row in rows]


def read_dataset(name: str, root: Path) -> Dataset:
    """Read `cub_birds`, `stanford_cars`, or any other name as a folder of class folders or a CSV index."""
    if name == "cub_birds":
        return _finish(name, root, _cub_birds(root))
    if name == "stanford_cars":
        return _finish(name, root, _stanford_cars(root))
    return _finish(name, root, _csv_index(root) if root.is_file() else _image_folder(root))


def limited(rows: list[Row], limit: int | None) -> list[Row]:
    """So many rows at even distances over all of them, so that few rows still span the classes."""
    if limit is None or limit >= len(rows):
        return rows
    return [rows[place * len(rows) // limit] for place in range(limit)]


def hold_out_classes(dataset: Dataset, count: int) -> Dataset:
    """Set `count` classes aside, always the same ones: their photos, of every split, become the split `unknown`.

    What a model without these classes says of them is what it says of an unknown subject.

    Raises:
        DataError: fewer than two classes would be left.
    """
    if count > len(dataset.class_ids) - 2:
        raise DataError(f"{dataset.name} has {len(dataset.class_ids)} classes; {count} cannot be held out")
    drawn = set(Random(HOLD_OUT_SEED).sample(dataset.class_ids, count))
    return keep_classes(dataset, [name for name in dataset.class_ids if name not in drawn])


def keep_classes(dataset: Dataset, class_ids: Collection[str]) -> Dataset:
    """Set all other classes aside: their photos, of every split, become the split `unknown`."""
    rows = tuple(row if row.class_id in class_ids else replace(row, split=UNKNOWN) for row in dataset.rows)
    return Dataset(dataset.name, rows, tuple(name for name in dataset.class_ids if name in class_ids))


def is_validation(photo: str) -> bool:
    """Whether a training photo belongs to the fixed tenth that validates, by a hash of its name."""
    digest = hashlib.sha256(photo.encode()).digest()
    return int.from_bytes(digest[:8], "big") < VALIDATION_SHARE * 2**64


def _finish(name: str, root: Path, found: Iterable[Row]) -> Dataset:
    """Set the validation part aside, unless the set has one of its own."""
    rows = list(found)
    has_own = any(row.split == "validation" for row in rows)
    split = [
        replace(row, split="validation") if row.split == "train" and not has_own and is_validation(row.photo) else row
        for row in rows
    ]
    class_ids = tuple(sorted({row.class_id for row in split}))
    if len(class_ids) < 2:
        raise DataError(f"{root}: found {len(class_ids)} class(es) of photos; a classifier needs at least 2")
    return Dataset(name, tuple(split), class_ids)


def _image_folder(root: Path) -> Iterable[Row]:
    """`root/<class>/photo`, or `root/{train,test}/<class>/photo`."""
    if not root.is_dir():
        raise DataError(f"{root} is neither a folder of class folders nor a CSV index")
    splits = [name for name in ("train", "validation", "test") if (root / name).is_dir()]
    for split, base in [(name, root / name) for name in splits] or [("train", root)]:
        for folder in sorted(path for path in base.iterdir() if path.is_dir()):
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in SUFFIXES:
                    yield Row(path, folder.name, split, f"{folder.name}/{path.stem}")


def _csv_index(path: Path) -> Iterable[Row]:
    """Columns `path` and `label`; optional `split` (default train), `photo` (default the path), `framing` and `text`."""
    for line in read_csv(path, ("path", "label")):
        yield Row(
            path.parent / line["path"],
            line["label"],
            line.get("split") or "train",
            line.get("photo") or line["path"],
            line.get("framing") or "whole",
            text=line.get("text") or "",
        )


def _cub_birds(root: Path) -> Iterable[Row]:
    """Crops and whole photos; of a whole photo the bird's box is known."""
    for line in read_csv(root / "index.csv.gz", ("path", "framing", "split", "image_id")):
        path = root / line["path"]
        subject = _box(line) if line["framing"] == "whole" else None
        yield Row(path, path.parent.name, line["split"], line["image_id"], line["framing"], subject)


def _box(line: Mapping[str, str]) -> Box | None:
    """The official box, given in pixels of the original photo; None where the index does not tell it."""
    try:
        x, y, width, height = (float(line[f"box_{name}"]) for name in ("x", "y", "w", "h"))
        across, down = float(line["orig_width"]), float(line["orig_height"])
    except (KeyError, ValueError):
        return None
    return max(0.0, x / across), max(0.0, y / down), min(1.0, (x + width) / across), min(1.0, (y + height) / down)


def _stanford_cars(root: Path) -> Iterable[Row]:
    """The crops, and the whole training photos as a test of their own: their crops are left out of training."""
    for line in read_csv(root / "index.csv", ("path", "split", "whole")):
        path = root / line["path"]
        if not line["whole"] or line["split"] == "test":
            yield Row(path, path.parent.name, line["split"], line["path"], "crop")
        else:
            yield Row(root / line["whole"], path.parent.name, "whole_test", line["path"], "whole")
            yield Row(path, path.parent.name, "whole_test", line["path"], "crop")


def read_csv(path: Path, needs: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a CSV file (also `.gz`) that must have the columns of `needs`."""
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in needs if column not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} lacks the column(s) {', '.join(missing)}")
            return list(reader)
    except (EOFError, UnicodeDecodeError, csv.Error, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a table: it must be CSV in UTF-8, with commas") from error
