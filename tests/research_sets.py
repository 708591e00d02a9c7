"""The collections that the documents name, in their layouts: tiny noisy photos made by code, with real classes.

What a reader or a bundle demands is there in full (every species, every model of car, more photos of scenes than
validate), all else is as little as a trial can do with.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from random import Random

from models.evaluation.grounding.items import BY_HAND
from models.evaluation.grounding.test_set import read_test_set
from models.training.data import is_validation
from models.training.grounding.pictures import VALIDATION_PHOTOS
from models.training.taxonomy import TABLES, read_levels
from tests.photosets import COLOURS, write_photo
from tests.tables import read_table, write_table

#: So many photos of each part may be asked for.
FEW = 8
_WIDTH, _HEIGHT = 40, 36
#: Of a whole photo of a bird, in pixels; and every so many species have one to test on, for an explanation takes a hundred views.
_BIRD, _WHOLE_STEP = (8, 6, 24, 24), 70
_TICKS = {
    "has_size": ("small_(5_-_9_in)", "large_(16_-_32_in)"),
    "has_bill_length": ("longer_than_head", "shorter_than_head"),
    **{f"has_{part}_color": ("red", "black") for part in ("crown", "throat", "belly", "wing", "eye")},
}
#: Kept pictures of a grounding run are in proportion to the share of the photos that a trial takes: of so many it makes few.
_SCENES = 6 * VALIDATION_PHOTOS
_CARS = (("car", 0.05, 0.2, 0.45, 0.7), ("car", 0.6, 0.4, 0.8, 0.6))
_DOG, _BIRD_ALONE = ("dog", 0.3, 0.7, 0.7, 0.95), (("bird", 0.2, 0.2, 0.8, 0.8),)
_THINGS = ((_DOG,), _BIRD_ALONE, _CARS, (*_CARS, _DOG))
_ASKED = (("what colour is the wall", "red"), ("what is on the table", "lamp, cup"), ("how many chairs", "2"))
_SAID = ("the man in the blue shirt", "dog with a red ball", "woman on a bike", "car parked by the wall")
_FIRST_CAR = 16  # that is learnt: of the models from here on none is among the twenty that can be set aside


def write_collections(root: Path) -> None:
    """All of them, under the names that the documents give them."""
    write_birds(root / "cub_birds")
    write_cars(root / "stanford_cars")
    write_scenes(root / "voc")
    write_rooms(root / "daquar")
    write_references(root / "refs")
    write_other_birds(root / "birds525_few")


def write_birds(root: Path) -> None:
    """CUB-200-2011: a few photos to learn from and to hold out, as crops and whole; a test crop of every species."""
    species = [row.class_id for row in read_levels(TABLES["cub_birds"]).rows]
    learnt = species[7 :: len(species) // (2 * FEW)]
    photos = [
        *zip(_names("bird", is_held_out=False), learnt[:FEW], ["train"] * FEW, strict=False),
        *zip(_names("bird", is_held_out=True), learnt[FEW:], ["train"] * FEW, strict=False),
        *((f"test{place}", name, "test") for place, name in enumerate(species)),
    ]
    rows = []
    for place, (photo, name, split) in enumerate(photos):
        for framing in ("crop", "whole") if split == "train" or place % _WHOLE_STEP == 0 else ("crop",):
            path = _write(root / framing / split / name / f"{photo}.jpg", place)
            rows.append((path.relative_to(root), framing, split, photo, _WIDTH, _HEIGHT, *_BIRD))
    columns = "path,framing,split,image_id,orig_width,orig_height,box_x,box_y,box_w,box_h"
    write_table(root / "index.csv.gz", columns, rows)
    write_table(root / "parts.csv.gz", "image_id,beak,tail", [(photo, "12 10", "30 20") for photo, _, _ in photos])
    _write_ticks(root, [photo for photo, _, _ in photos])


def _write_ticks(root: Path, photos: list[str]) -> None:
    """One value of each group is ticked."""
    ticks = [(group, value) for group, values in _TICKS.items() for value in values]
    names = [(number, *tick) for number, tick in enumerate(ticks, 1)]
    states = [(photo, "".join(Random(photo).choices(("10", "01"), k=len(_TICKS)))) for photo in photos]
    write_table(root / "attributes.csv", "attribute_id,group,value", names)
    write_table(root / "image_attributes.csv.gz", "image_id,states", states)


def write_cars(root: Path) -> None:
    """Stanford Cars: a few crops to learn from and to hold out, a test crop of every model, two whole photos."""
    rows = []
    for place, row in enumerate(read_levels(TABLES["stanford_cars"]).rows):
        name, told = row.class_id, (row.levels["make"], row.levels["body"])
        paths = [(f"test/{name}/{place}.jpg", "test", "")]
        learnt = place - _FIRST_CAR
        if 0 <= learnt < 2 * FEW:
            paths.append((next(_names(f"train/{name}/", ".jpg", is_held_out=place % 2 == 0)), "train", ""))
        elif 0 <= learnt < 2 * FEW + 2:
            paths.append((f"train/{name}/{place}.jpg", "train", f"whole/{name}/{place}.jpg"))
        for path, split, whole in paths:
            for one in filter(None, (path, whole)):
                _write(root / one, place)
            rows.append((path, split, whole, *told))
    write_table(root / "index.csv", "path,split,whole,make,body_group", rows)
    write_table(root / "near_duplicates.csv", "path_a,path_b,same_class", [])


def write_scenes(root: Path) -> None:
    """PASCAL VOC: photos with one to three things, and those test photos that the fixed test of grounding begins with."""
    asked: dict[str, list[tuple[str | float, ...]]] = {}
    for one in read_test_set()[: 4 * FEW]:
        asked.setdefault(one.photo, []).append((one.name, *one.box))
    by_hand = {line["photo"]: (_DOG,) for line in read_table(BY_HAND)[:FEW]}
    photos = [(f"9{place:05}", "train", _THINGS[place % len(_THINGS)]) for place in range(_SCENES)]
    photos += [(photo, "test", things) for photo, things in (by_hand | asked).items()]
    photos += [(f"8{place:05}", "test", _THINGS[place % len(_THINGS)]) for place in range(FEW)]
    kept = [_write(root / "photos" / f"{place}.webp", place) for place in range(FEW)]
    rows = []
    for place, (photo, split, things) in enumerate(photos):
        os.link(kept[place % FEW], root / "photos" / f"{photo}.webp")
        sides = (_WIDTH, _HEIGHT, _WIDTH, _HEIGHT)
        for name, *box in things:
            edges = (share * side for share, side in zip(box, sides, strict=True))
            rows.append((photo, split, name, *edges, 0, _WIDTH, _HEIGHT))
    write_table(root / "boxes.csv", "photo,split,class,x1,y1,x2,y2,difficult,width,height", rows)


def write_rooms(root: Path) -> None:
    """DAQUAR: three questions about each room."""
    for split, first in (("train", 0), ("test", 100)):
        photos = [_write(root / "photos" / f"image{first + place}.webp", place).stem for place in range(8 * FEW)]
        rows = [(photo, *asked) for photo in photos for asked in _ASKED]
        write_table(root / f"qa_{split}.csv", "photo,question,answer", rows)


def write_references(root: Path) -> None:
    """What people said of things in photos, without the photos, and phrases with photos and boxes."""
    photos = [_write(root / "photos" / f"people{place}.webp", place).stem for place in range(FEW)]
    write_table(root / "expressions.csv.gz", "set,expression", [("refcoco", said) for said in _SAID])
    phrases = [(photo, "test", ("a brown dog", "the guitar")[len(photo) % 2], 0.2, 0.2, 0.8, 0.7) for photo in photos]
    write_table(root / "phrases.csv", "photo,split,phrase,x1,y1,x2,y2", phrases)


def write_other_birds(root: Path) -> None:
    """Birds of four species that CUB-200-2011 lacks."""
    paths = [_write(root / f"other{place % 4}" / f"{place}.jpg", place) for place in range(2 * FEW)]
    write_table(root / "index.csv", "path,class", [(path.relative_to(root), path.parent.name) for path in paths])


def write_own_photos(root: Path) -> None:
    """A folder of photos for each of two classes: as many to learn from as to hold out, which an export wants eight of."""
    for place, name in enumerate(("heron", "stork")):
        for is_held_out in (False, True):
            for stem in islice(_names(f"{name}/", is_held_out=is_held_out), FEW // 2):
                _write(root / f"{stem}.png", place)


def _names(start: str, end: str = "", *, is_held_out: bool) -> Iterator[str]:
    """Names of photos that fall on one side of the fixed split."""
    names = (f"{start}{number}{end}" for number in count())
    return (name for name in names if is_validation(name) == is_held_out)


def _write(path: Path, place: int) -> Path:
    colours = list(COLOURS.values())
    return write_photo(path, colours[place % len(colours)], place, (_WIDTH, _HEIGHT))
