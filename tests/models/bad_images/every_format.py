"""What any format may suffer: cut short by a connection, or turned by its orientation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.models import image_bytes as make
from tests.models.bad_images.case import BAD, FULL, GOOD, Case
from tests.models.image_bytes import HEIGHT, WIDTH


def truncated() -> Iterator[Case]:
    """JPEG and PNG at every twentieth, the others at every fifth."""
    for label, name, step, options in [
        ("jpeg", "JPEG", 5, {"quality": 90}),
        ("progressive_jpeg", "JPEG", 20, {"progressive": True}),
        ("cmyk_jpeg", "JPEG", 20, {"mode": "CMYK"}),
        ("png", "PNG", 5, {}),
        ("webp", "WEBP", 20, {}),
        ("lossless_webp", "WEBP", 20, {"lossless": True}),
        ("gif", "GIF", 20, {}),
        ("bmp", "BMP", 20, {}),
        ("tiff", "TIFF", 20, {}),
        ("deflated_tiff", "TIFF", 20, {"compression": "tiff_adobe_deflate"}),
    ]:
        for percent in range(step, 100, step):
            yield Case(f"{label}_cut_at_{percent}_percent", BAD, partial(make.cut, percent, name, **options))


def oriented() -> Iterator[Case]:
    for name in ("JPEG", "PNG", "WEBP", "TIFF"):
        for number in range(1, 9):
            size = (HEIGHT, WIDTH) if number >= 5 else FULL
            yield Case(f"{name.lower()}_orientation_{number}", GOOD, partial(make.oriented, name, number), size)
