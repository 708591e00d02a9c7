"""How a photo was encoded does not decide what it shows."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from models.training.data import limited, read_dataset
from service.engine.engine import Engine
from service.stores import ZOO

PHOTOS = 200
AGREEMENT_BAR = 0.98
PROBABILITY_TOLERANCE = 0.03


@pytest.mark.data
@pytest.mark.parametrize("framing", ["crop", "whole"])
def test_a_photo_as_png_and_as_good_jpeg_is_the_same_bird(data_folder: Path, framing: str) -> None:
    dataset = read_dataset("cub_birds", data_folder / "cub_birds")
    paths = [row.path for row in limited(dataset.part("test", framing), PHOTOS)]
    engine = Engine([ZOO])
    as_png, as_jpeg = (
        engine.classify([encode(path, name) for path in paths], domain="birds") for name in ("PNG", "JPEG")
    )
    agree = 0
    for first, second in zip(as_png, as_jpeg, strict=True):
        one, other = first.predictions[0], second.predictions[0]  # type: ignore[union-attr]
        same = one.class_id == other.class_id
        agree += same and abs(one.probability - other.probability) <= PROBABILITY_TOLERANCE
    assert agree / len(paths) >= AGREEMENT_BAR


def encode(path: Path, name: str) -> bytes:
    """A stored photo in another format."""
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(buffer, name, quality=95)
    return buffer.getvalue()
