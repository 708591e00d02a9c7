"""Pictures of birds in the pool: alone and two side by side, and what is said about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from PIL import Image

from models.backbones import SPECS
from models.training.bird_expressions import PARTS, bird_expression
from models.training.data import DataError
from models.training.grounding import course, pictures
from models.training.grounding.birds import list_birds, read_whole_birds, side_by_side
from models.training.ticks import read_attributes
from models.training.views import PhotoStore
from tests.ground_sets import SIZE_PX, request, write_voc
from tests.grounding import TINY_STAGES
from tests.tables import write_table

COLOURS = {"red": (210, 40, 40), "blue": (40, 60, 210)}
WIDTH, HEIGHT, BOX = 60, 40, (15, 10, 30, 20)  # of a photo, and of the bird in it: x, y, width, height
COUNT = 12


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of red and of blue birds, ticked as what they are."""
    root = tmp_path_factory.mktemp("birds")
    pairs = [(group, colour) for group in PARTS.values() for colour in COLOURS]
    write_table(root / "attributes.csv", "attribute_id,group,value", ((i, *pair) for i, pair in enumerate(pairs, 1)))
    shown = [tuple(COLOURS)[photo % 2] for photo in range(COUNT)]
    states = [(photo, "".join("01"[colour == shown[photo]] for _, colour in pairs)) for photo in range(COUNT)]
    write_table(root / "image_attributes.csv.gz", "image_id,states", states)
    rows = []
    for photo, colour in enumerate(shown):
        path = root / "whole" / f"{colour}.Bird" / f"{photo}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGB", (WIDTH, HEIGHT), (120, 120, 120))
        x, y, width, height = BOX
        picture.paste(COLOURS[colour], (x, y, x + width, y + height))
        picture.save(path, lossless=True)
        rows.append((path.relative_to(root), "whole", "test" if photo < 2 else "train", photo, *BOX, WIDTH, HEIGHT))
    write_table(
        root / "index.csv.gz", "path,framing,split,image_id,box_x,box_y,box_w,box_h,orig_width,orig_height", rows
    )
    return root


def test_two_photos_become_one_scene_and_their_boxes_move_along() -> None:
    left, right = np.zeros((40, 60, 3), np.uint8), np.zeros((80, 80, 3), np.uint8)
    left[10:30, 15:45] = 255
    right[20:60, 40:80] = 255
    scene, boxes = side_by_side(left, right, [(0.25, 0.25, 0.75, 0.75), (0.5, 0.25, 1.0, 0.75)])
    assert scene.shape == (40, 100, 3)
    for x1, y1, x2, y2 in boxes:
        inner = scene[round(y1 * 40) : round(y2 * 40), round(x1 * 100) : round(x2 * 100)]
        assert inner.size
        assert (inner > 250).all()
    assert boxes[0][2] < boxes[1][0]


def test_what_is_said_is_true_of_the_bird_in_the_box(root: Path) -> None:
    store = PhotoStore(SIZE_PX)
    kinds = set()
    for number, picture in enumerate(list_birds(root, 20, seed=1)):
        drawn = picture.draw(store)
        height, width = drawn.pixels.shape[:2]
        colours = []
        for thing in drawn.layout.things:
            x1, y1, x2, y2 = thing.box
            middle = drawn.pixels[int((y1 + y2) / 2 * height), int((x1 + x2) / 2 * width)].astype(int)
            colours.append("red" if middle[0] > middle[2] else "blue")
        for one in picture.say(drawn.layout, Random(number), (4, 2)):
            named = {colour for colour in COLOURS if colour in one.text}
            assert "bird" in one.text
            if one.target is None:
                assert not named & set(colours)
            else:
                assert named <= {colours[one.target]}
                assert named or len(colours) == 1, "of two birds the words tell which"
            kinds.add((len(colours), one.kind, one.target is None))
    assert kinds >= {(1, "class", False), (1, "colour", False), (1, "colour", True), (2, "colour", False)}


def test_only_training_photos_are_listed_and_a_seed_gives_the_same(root: Path) -> None:
    listed = list_birds(root, 9, seed=3)
    assert [len(picture.birds) for picture in listed] == [1, 2, 1, 2, 1, 2, 1, 2, 1]
    assert {bird.split for picture in listed for bird in picture.birds} == {"train"}
    assert listed == list_birds(root, 9, seed=3)
    assert len({repr(picture.facts) for picture in listed}) > 5


def test_birds_join_the_pool_of_a_run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPECS, "tiny_stages", TINY_STAGES)
    monkeypatch.setattr(pictures, "VALIDATION_PHOTOS", 4)
    monkeypatch.setattr(course, "load_stages", lambda stages, path: None)
    write_voc(tmp_path / "voc")
    asked = request(tmp_path, tmp_path / "run")
    alone = course.gather(asked).train
    joined = course.gather(replace(asked, birds=root)).train
    assert len(joined.said) == len(alone.said) + asked.recipe.bird_pictures
    assert joined.said[: len(alone.said)] == alone.said
    assert all(said.name == "bird" for told in joined.said[len(alone.said) :] for said in told if said.box is not None)
    trial = course.gather(replace(asked, birds=root, limit=3)).train  # 3 of 6 photos: half of all that is made of them
    assert len(trial.said) == 6 + (asked.recipe.mosaics + asked.recipe.bird_pictures) // 2


def test_too_few_birds_are_named(root: Path, tmp_path: Path) -> None:
    for name in ("attributes.csv", "image_attributes.csv.gz"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    header = "path,framing,split,image_id,box_x,box_y,box_w,box_h,orig_width,orig_height"
    rows = [(f"whole/{n}.Bird/{n}.webp", "whole", "test", n, *BOX, WIDTH, HEIGHT) for n in range(2)]
    write_table(tmp_path / "index.csv.gz", header, rows)
    with pytest.raises(DataError, match="0 whole photos of birds to train on"):
        list_birds(tmp_path, 4, 0)


@pytest.mark.data
def test_the_whole_photos_have_boxes_and_ticks(data_folder: Path) -> None:
    root = data_folder / "cub_birds"
    photos = read_whole_birds(root)
    attributes = read_attributes(root / "attributes.csv")
    assert sum(photo.split != "test" for photo in photos) == 5994
    assert set(PARTS.values()) <= set(attributes.groups)
    rng = Random(5)
    train = [photo for photo in photos if photo.split == "train"]
    pairs = [rng.sample(train, 2) for _ in range(200)]
    texts = [bird_expression(one.states, attributes, rng, beside=other.states) for one, other in pairs]
    assert sum(text is not None for text in texts) > 150
    assert all(0 <= photo.box[0] < photo.box[2] <= 1 for photo in photos)
    assert cv2.imread(str(photos[0].path)) is not None
