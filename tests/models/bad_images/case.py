"""One bad, odd or hostile image: its name, how it is made, and what has to come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from PIL import ImageCms

from tests.models.image_bytes import HEIGHT, WIDTH, Colour


class Outcome(Enum):
    """What has to come of an image: pixels, a refusal of the photo, or of the kind of data; the value is the status."""

    DECODES = 200
    REFUSED = 422
    NOT_AN_IMAGE = 415


@dataclass(frozen=True)
class Case:
    """One image; `size` is its upright width and height, `colour` its mean colour where that says something."""

    name: str
    outcome: Outcome
    build: Callable[[], bytes]
    size: tuple[int, int] | None = None
    colour: Colour | None = None


SMALL = (20, 10)
FULL = (WIDTH, HEIGHT)
GOOD, BAD, NO_IMAGE = Outcome.DECODES, Outcome.REFUSED, Outcome.NOT_AN_IMAGE


def profile() -> bytes:
    """A colour profile: sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def until(data: bytes, part: bytes) -> bytes:
    """What stands before a part of the data."""
    return data[: data.index(part)]
