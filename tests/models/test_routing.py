"""The router's photos: every class in every framing, scenes for testing apart, and what a scene shows."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.training.data import DataError, read_dataset
from models.training.routing import Sources, write_material
from models.training.voc import SUBJECT_AREA, Scene, Thing, read_voc


def write_image(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Small collections laid out as the real ones."""
    root = tmp_path / "data"
    lines = []
    for number in range(24):
        split, class_name = "test" if number % 2 else "train", f"00{number % 3}.Bird"
        for framing in ("crop", "whole"):
            path = f"{framing}/{split}/{class_name}/{number}.png"
            write_image(root / "birds" / path, number)
            lines.append([path, framing, split, number])
    with gzip.open(root / "birds" / "index.csv.gz", "wt", newline="") as file:
        csv.writer(file).writerows([["path", "framing", "split", "image_id"], *lines])
    cars = [(f"{split}/00{number % 2}.Car/{number}.png", split) for split in ("train", "test") for number in range(20)]
    for number, (path, _) in enumerate(cars):
        write_image(root / "cars" / path, 100 + number)
    with (root / "cars" / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "split", "whole"], *((path, split, "") for path, split in cars)])
    write_voc(root / "voc")
    return Sources(root / "birds", root / "cars", root / "voc")


def write_voc(root: Path) -> None:
    rows = [["photo", "split", "class", "x1", "y1", "x2", "y2", "difficult", "width", "height"]]
    for number in range(16):
        split = "test" if number % 4 == 3 else "train"
        name = ("sofa", "dog", "bird", "car")[number // 4]
        write_image(root / "photos" / f"{number:06}.png", 200 + number)
        (root / "photos" / f"{number:06}.png").rename(root / "photos" / f"{number:06}.webp")
        rows.append([f"{number:06}", split, name, 8, 6, 72, 54, 0, 80, 60])
    with (root / "boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_every_class_comes_in_every_framing(sources: Sources, tmp_path: Path) -> None:
    index = write_material(sources, tmp_path / "out", count=5)
    with index.open(newline="") as file:
        rows = list(csv.DictReader(file))
    counts = Counter((row["split"], row["label"], row["framing"]) for row in rows)
    for label in ("birds", "cars", "neither"):
        for framing in ("crop", "whole", "pasted"):
            assert counts["train", label, framing] >= 3
        assert counts["test", label, "whole"] >= 2
    assert counts["subjects", "birds", "whole"] == counts["subjects", "cars", "whole"] == 1
    assert all(Path(row["path"]).is_file() for row in rows)


def test_scenes_of_the_test_are_no_scenes_of_training(sources: Sources, tmp_path: Path) -> None:
    dataset = read_dataset("folder", write_material(sources, tmp_path / "out", count=5))
    assert dataset.class_ids == ("birds", "cars", "neither")
    seen = {row.path for row in dataset.rows if row.split in ("train", "validation")}
    assert not seen & {row.path for row in dataset.rows if row.split in ("test", "subjects")}


def test_windows_are_of_training_scenes_around_objects_of_their_class(sources: Sources, tmp_path: Path) -> None:
    dataset = read_dataset("folder", write_material(sources, tmp_path / "out", count=4))
    windows = [row for row in dataset.rows if row.path.name.startswith("window")]
    assert Counter(row.class_id for row in windows) == {"birds": 4, "cars": 4, "neither": 4}
    tested = {row.photo for row in dataset.rows if row.split in ("test", "subjects")}
    assert not tested & {row.photo for row in windows}


def test_the_same_seed_writes_the_same(sources: Sources, tmp_path: Path) -> None:
    first, again, other = (
        write_material(sources, tmp_path / name, count=4, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )

    def photos(index: Path) -> list[bytes]:
        return [path.read_bytes() for path in sorted((index.parent / "photos").rglob("*.webp"))]

    assert photos(first) == photos(again)
    assert photos(first) != photos(other)


def thing(name: str, area: float) -> Thing:
    return Thing(name, (0.0, 0.0, area, 1.0), False)


@pytest.mark.parametrize(
    ("things", "domain"),
    [
        ([thing("bird", 0.2), thing("sofa", 0.1)], "birds"),
        ([thing("car", SUBJECT_AREA), thing("bird", 0.05)], "cars"),
        ([thing("bird", 0.05)], None),
        ([thing("bird", 0.2), thing("sofa", 0.3)], None),
        ([thing("sofa", 0.3)], "neither"),
    ],
)
def test_a_scene_is_of_the_domain_of_its_largest_object(things: list[Thing], domain: str | None) -> None:
    assert Scene(Path("x"), "test", tuple(things)).domain == domain


def test_a_box_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(
        "photo,split,class,x1,y1,x2,y2,difficult,width,height\n7,test,car,a,0,1,1,0,9,9\n"
    )
    with pytest.raises(DataError, match="photo 7"):
        read_voc(tmp_path)


@pytest.mark.data
def test_everyday_scenes_show_birds_cars_and_neither(data_folder: Path) -> None:
    scenes = read_voc(data_folder / "voc")
    counts = Counter((scene.split, scene.domain) for scene in scenes)
    assert sum(counts.values()) == 4742
    assert counts["test", "neither"] > 700
    assert min(counts["test", domain] for domain in ("birds", "cars")) > 30
