"""Questions about birds and cars are true by the photo's own ticks and by the class, and asked where these are plain."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from models.training.data import read_dataset
from models.training.subject_questions import PARTS, bird_questions, car_questions
from tests.models.question_truth import GROUPS, Doubtful, bird_answer, car_answer
from tests.tables import read_table, write_table

COLOURS = ("blue", "brown", "grey", "black", "red")
BODIES = ("sedan", "suv", "pickup")


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty photos of two species with random ticks, each as a crop and whole."""
    root, rng = tmp_path_factory.mktemp("birds"), Random(3)
    pairs = [(group, colour) for group in (*GROUPS.values(), "has_size") for colour in COLOURS]
    write_table(root / "attributes.csv", "attribute_id,group,value", ((i, *pair) for i, pair in enumerate(pairs, 1)))
    states = [(photo, "".join(rng.choice("0000001?") for _ in pairs)) for photo in range(1, 61)]
    write_table(root / "image_attributes.csv.gz", "image_id,states", states)
    photos = [
        (f"{framing}/{split}/00{photo % 2 + 1}.Bird/{photo}.webp", framing, split, photo, 100, 50, 20, 10, 40, 30)
        for photo in range(1, 61)
        for split in ("test" if photo > 40 else "train",)
        for framing in ("crop", "whole")
    ]
    columns = "path,framing,split,image_id,orig_width,orig_height,box_x,box_y,box_w,box_h"
    write_table(root / "index.csv.gz", columns, photos)
    return root


@pytest.fixture(scope="module")
def cars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of six classes; one pair is the same photo under two of them, another under one; one has a whole photo."""
    root = tmp_path_factory.mktemp("cars")
    classes = [(f"{i:03}.Make_{i}", f"Make {i % 4}", BODIES[i % 3]) for i in range(1, 7)]
    write_table(root / "classes.csv", "folder,make,body_group", classes)
    write_table(
        root / "index.csv",
        "path,split,make,body_group,whole",
        (
            (f"{split}/{folder}/{n}.webp", split, make, body, "whole/1.webp" if (split, n) == ("train", 0) else "")
            for folder, make, body in classes
            for split in ("train", "test")
            for n in range(12)
        ),
    )
    pairs = [
        ("train/001.Make_1/3.webp", "test/002.Make_2/4.webp", 0),
        ("train/001.Make_1/5.webp", "test/001.Make_1/5.webp", 1),
    ]
    write_table(root / "near_duplicates.csv", "path_a,path_b,same_class", pairs)
    return root


def check_birds(root: Path, seed: int) -> int:
    """Check every question of a set by its raw tables; returns how many there were."""
    attributes = read_table(root / "attributes.csv")
    states = {row["image_id"]: row["states"] for row in read_table(root / "image_attributes.csv.gz")}
    splits = {row.photo: row.split for row in read_dataset("cub_birds", root).rows}
    asked = bird_questions(root, seed)
    for one in asked:
        try:
            assert one.answers == (bird_answer(one.text, states[one.photo], attributes),), one
        except Doubtful:
            pytest.fail(f"{one.photo}: the ticks do not settle {one.text!r}")
        assert one.path.parts[-4] == "whole"
        assert one.split == splits[one.photo]
    return len(asked)


def check_cars(root: Path, seed: int) -> int:
    """As `check_birds`."""
    classes = read_table(root / "classes.csv")
    asked = car_questions(root, seed)
    for one in asked:
        assert one.answers == (car_answer(one.text, one.photo, classes),), one
        assert one.kind == ("make" if "ma" in one.text else "body")
    return len(asked)


def test_a_bird_s_answers_are_its_own_ticks(birds: Path) -> None:
    assert check_birds(birds, seed=1) > 60
    asked = bird_questions(birds, seed=1)
    assert {one.split for one in asked} == {"train", "validation", "test"}
    assert max(sum(one.photo == photo for one in asked) for photo in {one.photo for one in asked}) == 3
    assert {part for part, _ in PARTS.values()} == set(GROUPS)
    assert {one.where for one in asked} == {((0.2, 0.2, 0.6, 0.8),)}


def test_a_car_s_answers_are_those_of_its_class(cars: Path) -> None:
    check_cars(cars, seed=1)
    asked = car_questions(cars, seed=1)
    photos = {one.photo for one in asked}
    assert len(asked) == 2 * len(photos)
    assert len(photos) == 6 * 24 - 2 - 6
    assert {"train/001.Make_1/3.webp", "test/002.Make_2/4.webp", "train/003.Make_3/0.webp"}.isdisjoint(photos)
    assert {"train/001.Make_1/5.webp", "test/001.Make_1/5.webp", "test/003.Make_3/0.webp"} <= photos
    assert {one.split for one in asked} == {"train", "validation", "test"}


def test_a_seed_gives_the_same_questions_and_another_gives_others(birds: Path, cars: Path) -> None:
    for ask, root in ((bird_questions, birds), (car_questions, cars)):
        assert ask(root, 1) == ask(root, 1)
        assert ask(root, 1) != ask(root, 2)


@pytest.mark.data
def test_questions_about_the_real_birds_and_cars_are_true(data_folder: Path) -> None:
    assert check_birds(data_folder / "cub_birds", seed=1) > 10_000
    assert check_cars(data_folder / "stanford_cars", seed=1) > 30_000
