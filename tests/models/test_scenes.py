"""Subjects pasted into scenes: the same each time, whole, and smaller than the scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.evaluation.scenes import paste, scene_part
from models.preprocess import decode
from models.training.data import DataError, Row
from models.training.pasting import SHARES


@pytest.fixture
def subject(tmp_path: Path) -> Path:
    path = tmp_path / "subjects" / "red.png"
    path.parent.mkdir()
    Image.new("RGB", (60, 30), (255, 0, 0)).save(path)
    return path


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (200, 100), (0, 0, 60 * number)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("draw", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.5, 0.3, 0.7)])
def test_the_subject_lies_whole_inside_the_scene(subject: Path, scenes: Path, draw: tuple[float, ...]) -> None:
    pixels = decode(paste(subject, scenes / "1.png", draw)).pixels
    assert pixels.shape == (100, 200, 3)
    rows, columns = np.nonzero(pixels[:, :, 0] > 128)
    width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
    expected = (SHARES[0] + draw[0] * (SHARES[1] - SHARES[0])) * 100
    assert width == pytest.approx(expected, abs=1)
    assert height == pytest.approx(expected / 2, abs=1)
    assert len(rows) == width * height


def test_the_same_seed_makes_the_same_scenes(subject: Path, scenes: Path) -> None:
    rows = [Row(subject, "red", "test", str(number), "crop") for number in range(6)]
    first, again, other = (scene_part(rows, scenes, seed) for seed in (0, 0, 1))
    assert [item.read() for item in first.items] == [item.read() for item in again.items]
    assert [item.read() for item in first.items] != [item.read() for item in other.items]
    assert [(item.class_id, item.photo) for item in first.items] == [("red", str(number)) for number in range(6)]


def test_a_folder_without_photos_is_named(subject: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no photos to paste into"):
        scene_part([], tmp_path / "empty")
