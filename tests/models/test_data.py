"""Readers of photo collections, and the split that keeps all views of a photo on one side."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from models.training.data import DataError, Row, is_validation, limited, read_dataset
from tests.photosets import write_image_folder, write_photo


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    opener = gzip.open if path.suffix == ".gz" else open
    path.parent.mkdir(parents=True, exist_ok=True)
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_folder_of_class_folders_is_all_training_with_a_tenth_set_aside(tmp_path: Path) -> None:
    write_image_folder(tmp_path, {"": 30})
    dataset = read_dataset("folder", tmp_path)
    assert dataset.class_ids == ("blue", "green", "red")
    assert {row.split for row in dataset.rows} == {"train", "validation"}
    held_out = dataset.part("validation")
    assert 0 < len(held_out) < 25
    assert all(is_validation(row.photo) for row in held_out)


def test_a_folder_with_splits_keeps_them_and_its_own_validation(tmp_path: Path) -> None:
    write_image_folder(tmp_path, {"train": 4, "validation": 2, "test": 1})
    dataset = read_dataset("folder", tmp_path)
    assert {split: len(dataset.part(split)) for split in ("train", "validation", "test")} == {
        "train": 12,
        "validation": 6,
        "test": 3,
    }


def test_files_that_are_no_photos_are_passed_over(tmp_path: Path) -> None:
    write_image_folder(tmp_path, {"train": 1})
    (tmp_path / "train" / "red" / "notes.txt").write_text("x")
    assert len(read_dataset("folder", tmp_path).rows) == 3


def test_a_csv_index_needs_path_and_label_only(tmp_path: Path) -> None:
    index = write_csv(tmp_path / "index.csv", [{"path": "a.png", "label": "cat"}, {"path": "b.png", "label": "dog"}])
    rows = read_dataset("folder", index).rows
    assert [(row.path, row.class_id, row.photo, row.framing) for row in rows] == [
        (tmp_path / "a.png", "cat", "a.png", "whole"),
        (tmp_path / "b.png", "dog", "b.png", "whole"),
    ]


def test_a_csv_index_may_name_split_photo_and_framing(tmp_path: Path) -> None:
    line = {"path": "a.png", "label": "cat", "split": "test", "photo": "7", "framing": "crop"}
    index = write_csv(tmp_path / "index.csv", [line, line | {"label": "dog", "split": "", "photo": ""}])
    first, second = read_dataset("folder", index).rows
    assert (first.split, first.photo, first.framing) == ("test", "7", "crop")
    assert (second.photo, second.framing) == ("a.png", "crop")


def test_a_csv_index_without_a_needed_column_is_named(tmp_path: Path) -> None:
    index = write_csv(tmp_path / "index.csv", [{"path": "a.png", "class": "cat"}])
    with pytest.raises(DataError, match=r"index\.csv lacks the column\(s\) label"):
        read_dataset("folder", index)


@pytest.mark.parametrize(
    ("name", "content"),
    [("index.csv", b"\xff\xfe\x00x"), ("index.csv.gz", b"plain"), ("index.csv.gz", b"\x1f\x8b\x08")],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} cannot be read as a table: it must be CSV in UTF-8"):
        read_dataset("folder", tmp_path / name)


def test_a_place_without_photos_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a folder of class folders nor a CSV index"):
        read_dataset("folder", tmp_path / "absent")


def test_one_class_is_too_few(tmp_path: Path) -> None:
    write_photo(tmp_path / "red" / "a.png", (200, 0, 0), 1)
    with pytest.raises(DataError, match=r"found 1 class\(es\) of photos"):
        read_dataset("folder", tmp_path)


def test_crop_and_whole_of_a_bird_fall_on_the_same_side(tmp_path: Path) -> None:
    rows = [
        {"path": f"{framing}/train/{name}/{name}_{number}.webp", "framing": framing, "split": "train", "image_id": key}
        for name, start in [("001.A", 0), ("002.B", 100)]
        for number, key in [(number, str(start + number)) for number in range(40)]
        for framing in ("crop", "whole")
    ]
    write_csv(tmp_path / "index.csv.gz", rows)
    dataset = read_dataset("cub_birds", tmp_path)
    sides: dict[str, set[str]] = {}
    for row in dataset.rows:
        sides.setdefault(row.photo, set()).add(row.split)
    assert all(len(side) == 1 for side in sides.values())
    assert {row.split for row in dataset.rows} == {"train", "validation"}
    assert len(dataset.part("train", "crop")) == len(dataset.part("train", "whole"))


def test_cars_with_a_whole_photo_are_kept_out_of_training(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "index.csv",
        [
            {"path": "train/001.A/1.webp", "split": "train", "whole": ""},
            {"path": "train/001.A/2.webp", "split": "train", "whole": "whole/2.webp"},
            {"path": "test/002.B/3.webp", "split": "test", "whole": "whole/3.webp"},
        ],
    )
    dataset = read_dataset("stanford_cars", tmp_path)
    assert [row.path.name for row in dataset.part("train") + dataset.part("validation")] == ["1.webp"]
    assert {row.framing: row.path for row in dataset.part("whole_test")} == {
        "whole": tmp_path / "whole" / "2.webp",
        "crop": tmp_path / "train" / "001.A" / "2.webp",
    }
    assert dataset.part("test")[0].framing == "crop"


def test_labels_are_places_among_the_class_ids(tmp_path: Path) -> None:
    write_image_folder(tmp_path, {"test": 1})
    dataset = read_dataset("folder", tmp_path)
    assert dataset.labels(dataset.part("test")) == [0, 1, 2]


def test_a_limit_spreads_over_the_classes(tmp_path: Path) -> None:
    write_image_folder(tmp_path, {"test": 5})
    rows = limited(read_dataset("folder", tmp_path).part("test"), 3)
    assert [row.class_id for row in rows] == ["blue", "green", "red"]
    assert len(limited(rows, 10)) == 3


def test_a_limit_reaches_the_last_rows_whatever_it_is() -> None:
    rows = [Row(Path(), "1", "test", str(place)) for place in range(1689)]
    assert int(limited(rows, 1000)[-1].photo) > 1685
    assert len({row.photo for row in limited(rows, 1000)}) == 1000
