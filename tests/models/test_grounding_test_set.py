"""The fixed test set of grounding: its mix, its file, and that it can be drawn again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from models.evaluation.grounding.items import hand_items
from models.evaluation.grounding.test_set import (
    QUOTAS,
    TEST_SET,
    TestExpression,
    draw_test_set,
    read_test_set,
    to_csv,
)
from models.training.data import DataError
from models.training.voc import read_voc


def test_the_kept_set_has_the_mix_that_it_promises() -> None:
    kept = read_test_set()
    assert len(kept) == 1000
    assert Counter(one.group for one in kept) == {" or ".join(kinds): count for kinds, count in QUOTAS}
    assert sum(one.rivals > 0 for one in kept) >= 650
    assert len({(one.photo, one.text) for one in kept}) == 1000


def test_the_file_says_what_was_read_from_it() -> None:
    assert to_csv(read_test_set()) == TEST_SET.read_text(encoding="utf-8")


def test_what_was_written_by_hand_has_a_box_each(tmp_path: Path) -> None:
    items = hand_items(tmp_path)
    assert len(items) == len({(item.photo, item.text) for item in items}) == 30
    for item in items:
        assert item.box is not None
        left, top, right, bottom = item.box
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1


def test_photos_that_say_too_little_are_refused() -> None:
    with pytest.raises(DataError, match="the photos give 0 expressions of class; 350 are needed"):
        draw_test_set([], lambda: None)


def test_a_line_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    good = TestExpression("1", "dog", "class", 0, "dog", (0.0, 0.0, 1.0, 1.0))
    path.write_text(to_csv([good]).replace("class,0,dog", "shape,0,dog"), encoding="utf-8")
    with pytest.raises(DataError, match="'shape' is no kind of expression"):
        read_test_set(path)


@pytest.mark.data
def test_drawing_again_gives_the_kept_set(data_folder: Path) -> None:
    scenes = [scene for scene in read_voc(data_folder / "voc") if scene.split == "test"]
    assert draw_test_set(scenes, lambda: None) == read_test_set()
