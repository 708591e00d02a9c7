"""The benchmark's photos: of the wanted size and kind, and the same every time."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, JpegImagePlugin

from deploy.bench.load.photos import CHROMA_420, SIZE_PX, TARGET_BYTES, make_photo


@pytest.mark.parametrize("name", ["white_pelican.jpg", "cows.jpg"])
def test_a_photo_is_640_by_480_of_about_91_kilobytes_in_420(samples_folder: Path, name: str) -> None:
    data = make_photo(samples_folder / name, seed=1)
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == SIZE_PX
        assert JpegImagePlugin.get_sampling(image) == CHROMA_420
    assert 0.95 * TARGET_BYTES < len(data) <= TARGET_BYTES


def test_the_same_seed_gives_the_same_photo(samples_folder: Path) -> None:
    sample = samples_folder / "coffee.jpg"
    assert make_photo(sample, seed=3) == make_photo(sample, seed=3) != make_photo(sample, seed=4)
