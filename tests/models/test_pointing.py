"""Pointing at boxes and parts, with distances by hand, and the reader of CUB's marks."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from models.evaluation.places import Place, read_places
from models.evaluation.pointing import hits_box, hits_part, play
from models.training.data import DataError

# A box of 30 x 40 pixels in a photo of 100 x 200: its diagonal is 50, so a part is hit within 5 pixels.
PLACE = Place("1", 100, 200, 0.1, 0.1, 0.3, 0.2, ((0.2, 0.2),))


@pytest.mark.parametrize(
    ("point", "in_box", "near_part"),
    [
        ((0.2, 0.2), True, True),
        ((0.25, 0.2), True, True),  # 5 pixels across
        ((0.2, 0.22), True, True),  # 4 pixels down
        ((0.2, 0.23), True, False),  # 6 pixels down
        ((0.26, 0.2), True, False),
        ((0.41, 0.2), False, False),
    ],
)
def test_hits_are_measured_in_the_photo_s_pixels(point: tuple[float, float], in_box: bool, near_part: bool) -> None:
    assert hits_box(PLACE, point) is in_box
    assert hits_part(PLACE, point) is near_part


def test_points_are_counted_beside_the_middle() -> None:
    middle = Place("2", 100, 100, 0.4, 0.4, 0.2, 0.2, ())
    found = play([(PLACE, (0.2, 0.2)), (middle, (0.9, 0.9))])
    assert (found.box.value, found.middle_box.value) == (0.5, 0.5)
    assert (found.part.value, found.part.count, found.middle_part.value) == (1.0, 1, 0.0)
    assert found.box_margin.mean == 0.0


def test_without_points_there_is_no_game() -> None:
    with pytest.raises(ValueError, match="no photo has both"):
        play([])


def write_tables(root: Path, part: str) -> None:
    with gzip.open(root / "index.csv.gz", "wt") as file:
        file.write("path,framing,split,image_id,class_id,class_name,width,height,")
        file.write("orig_width,orig_height,box_x,box_y,box_w,box_h\n")
        file.write(
            "a.webp,crop,test,7,1,X,30,40,100,200,10,20,30,40\nb.webp,whole,test,7,1,X,50,100,100,200,10,20,30,40\n"
        )
    with gzip.open(root / "parts.csv.gz", "wt") as file:
        file.write(f"image_id,beak,tail\n7,{part},\n")


def test_places_are_shares_of_the_whole_photo(tmp_path: Path) -> None:
    write_tables(tmp_path, "20 40")
    assert read_places(tmp_path) == {"7": Place("7", 100, 200, 0.1, 0.1, 0.3, 0.2, ((0.2, 0.2),))}


def test_a_point_that_is_none_is_named(tmp_path: Path) -> None:
    write_tables(tmp_path, "20")
    with pytest.raises(DataError, match="photo 7"):
        read_places(tmp_path)


@pytest.mark.data
def test_every_whole_photo_has_a_place(data_folder: Path) -> None:
    places = read_places(data_folder / "cub_birds")
    assert len(places) == 7683
    assert sum(bool(place.parts) for place in places.values()) > 7600
