"""The photos from which a router learns what a photo shows: birds, cars or neither, in every framing for each of them.

Birds come as crops and as whole photos, cars as crops only: a router that saw just those would tell framings apart. So each
class has crops, photos as they were taken, crops pasted into scenes that show neither, and windows on scenes around an
object of its own. Scenes for testing are others than those for training.

Owns the mix and writes it as an index that `fieldmark train --dataset folder` reads: pasted scenes and cut-out objects are
new files, all others stay where they are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from models.preprocess import Pixels, decode
from models.training.data import Box, Row, read_dataset
from models.training.pasting import encode, paste
from models.training.voc import Scene, of_domain, read_voc
from models.training.windows import window_around

INDEX_NAME = "index.csv"
NEITHER = "neither"
#: Photos of a class in one framing, pasted ones twice as many: these are the hardest, and cheap to make.
COUNT = 1500
TEST_COUNT = 1000
#: Smaller objects are a few pixels in photos of this size.
_OBJECT_AREA = 0.04
_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class Sources:
    """The folders of the collections: CUB-200-2011, Stanford Cars and VOC 2007."""

    birds: Path
    cars: Path
    voc: Path


@dataclass(frozen=True, slots=True)
class _Subject:
    """A photo, or a part of it, with its name."""

    path: Path
    photo: str
    box: Box | None = None

    def pixels(self) -> Pixels:
        """The photo, cut to the box where there is one."""
        pixels = decode(self.path.read_bytes()).pixels
        if self.box is None:
            return pixels
        rows, columns = pixels.shape[:2]
        left, top, right, bottom = self.box
        return pixels[int(top * rows) : max(int(top * rows) + 1, int(bottom * rows)),
                      int(left * columns) : max(int(left * columns) + 1, int(right * columns))]  # fmt: skip


def write_material(sources: Sources, out: Path, count: int = COUNT, seed: int = 0) -> Path:
    """Write the index and its new photos into `out`; gives the index. The same seed writes the same.

    `test` holds whole photos of birds, cars pasted into scenes, and scenes; `subjects` real scenes whose largest object is
    a bird or a car.

    Raises:
        DataError: a collection cannot be read.
    """
    rng = Random(seed)
    birds, cars = read_dataset("cub_birds", sources.birds), read_dataset("stanford_cars", sources.cars)
    scenes = read_voc(sources.voc)
    training, testing = (of_domain(scenes, split, (NEITHER,)) for split in ("train", "test"))
    objects = _objects(training, NEITHER)
    pasted = out / "photos"
    subjects = {
        "birds": _subjects(birds.part("train", "crop")),
        "cars": _subjects(cars.part("train", "crop")),
        NEITHER: objects,
    }
    rows: list[Row] = []
    for label, cut in subjects.items():
        rows += _paste_all(_drawn(cut, count, rng), training, label, "train", pasted, rng)
    rows += [_kept(one, label, "crop") for label in ("birds", "cars") for one in _drawn(subjects[label], count, rng)]
    rows += _cut_all(_drawn(objects, count, rng), NEITHER, "crop", pasted, "object")
    wholes = _subjects(birds.part("train", "whole"))
    rows += [_kept(one, "birds", "whole") for one in _drawn(wholes, count, rng)]
    rows += [_seen(scene, "train") for scene in of_domain(scenes, "train", ("birds", "cars", NEITHER))]
    rows += [Row(row.path, "birds", "test", row.photo) for row in birds.part("test", "whole")]
    test_cars = _drawn(_subjects(cars.part("test", "crop")), min(count, TEST_COUNT), rng)
    rows += _paste_all(test_cars, testing, "cars", "test", pasted, rng)
    rows += [_seen(scene, "test") for scene in testing]
    rows += [_seen(scene, "subjects") for scene in of_domain(scenes, "test", ("birds", "cars"))]
    # What was drawn above, photos of the test among it, is what earlier routers were made with.
    more = Random(seed + 1)
    for label, cut in subjects.items():
        rows += _paste_all(_drawn(cut, count, more), training, label, "train", pasted / "more", more)
        windows = _windows(_objects(_showing(scenes, label), label), count, more)
        rows += _cut_all(windows, label, "whole", pasted, "window")
    return _write_index(out / INDEX_NAME, rows)


def _subjects(rows: Iterable[Row]) -> list[_Subject]:
    return [_Subject(row.path, row.photo) for row in rows]


def _objects(scenes: Iterable[Scene], label: str) -> list[_Subject]:
    """Objects of a domain, or of neither, that can be told, each under its scene's name."""
    return [
        _Subject(scene.path, scene.path.stem, thing.box)
        for scene in scenes
        for thing in scene.things
        if (thing.domain or NEITHER) == label and thing.area >= _OBJECT_AREA and not thing.is_difficult
    ]


def _showing(scenes: Iterable[Scene], label: str) -> list[Scene]:
    """Training scenes that show nothing of another domain."""
    return [
        scene
        for scene in scenes
        if scene.split == "train" and {thing.domain for thing in scene.things} <= {None, label}
    ]


def _drawn(subjects: Sequence[_Subject], count: int, rng: Random) -> list[_Subject]:
    return rng.sample(subjects, min(count, len(subjects)))


def _paste_all(
    subjects: Iterable[_Subject], scenes: Sequence[Scene], label: str, split: str, folder: Path, rng: Random
) -> Iterator[Row]:
    """Each subject in a scene of its own draw, written as one photo."""
    for number, subject in enumerate(subjects):
        scene = rng.choice(scenes)
        draw = (rng.random(), rng.random(), rng.random())
        back = decode(scene.path.read_bytes()).pixels
        path = folder / split / label / f"pasted-{number:05}.webp"
        yield _written(path, paste(subject.pixels(), back, draw), Row(path, label, split, subject.photo, "pasted"))


def _windows(objects: Sequence[_Subject], count: int, rng: Random) -> list[_Subject]:
    """Windows around objects, at most `_WINDOWS` an object."""
    drawn = _drawn([one for one in objects for _ in range(_WINDOWS)], count, rng)
    boxes = [window_around(one.box, (rng.random(), rng.random(), rng.random())) for one in drawn if one.box is not None]
    return [replace(one, box=box) for one, box in zip(drawn, boxes, strict=True)]


def _cut_all(subjects: Iterable[_Subject], label: str, framing: str, folder: Path, name: str) -> Iterator[Row]:
    """Each subject cut out of its photo and written as one of its own."""
    for number, subject in enumerate(subjects):
        path = folder / "train" / label / f"{name}-{number:05}.webp"
        yield _written(path, subject.pixels(), Row(path, label, "train", subject.photo, framing))


def _written(path: Path, pixels: Pixels, row: Row) -> Row:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(pixels, path.suffix))
    return row


def _kept(subject: _Subject, label: str, framing: str) -> Row:
    return Row(subject.path, label, "train", subject.photo, framing)


def _seen(scene: Scene, split: str) -> Row:
    return Row(scene.path, str(scene.domain), split, scene.path.stem)


def _write_index(path: Path, rows: Iterable[Row]) -> Path:
    """Photos of testing are of one framing, so that all classes are judged together."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "split", "photo", "framing"])
        for row in rows:
            framing = row.framing if row.split == "train" else "whole"
            writer.writerow([row.path.resolve(), row.class_id, row.split, f"{row.class_id}/{row.photo}", framing])
    return path
