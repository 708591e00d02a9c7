"""A request's photos on their way into a model's square, and what the model points at on its way back.

Owns decoding for a request, with the service's errors, and the place of a photo in the square. The pixels themselves
are made by `models/preprocess.py`, the same that training uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.formats import FORMATS
from models.preprocess import FormatError, ImageError, Photo, decode, letterbox
from models.sections import ImageInput
from service.answers import Box
from service.errors import UnprocessableImage, UnsupportedMedia

BOX_DIGITS = 1

Encoded = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a model's square lies on a photo: its corner and sides in the photo's pixels, which may pass its edges."""

    left: float
    top: float
    width: float
    height: float
    photo_width: int
    photo_height: int

    def place(self, x: float, y: float, width: float, height: float) -> Box:
        """Turn a box in 0..1 of the square into the part of the photo that it covers."""
        left, right = (self._bound(self.left + at * self.width, self.photo_width) for at in (x, x + width))
        top, bottom = (self._bound(self.top + at * self.height, self.photo_height) for at in (y, y + height))
        return _rounded(left, top, right - left, bottom - top)

    def whole(self) -> Box | None:
        """The square itself, or None where it is the photo."""
        if (self.left, self.top) == (0, 0) and (self.width, self.height) == (self.photo_width, self.photo_height):
            return None
        return _rounded(self.left, self.top, self.width, self.height)

    @staticmethod
    def _bound(at: float, side: int) -> float:
        return min(max(at, 0.0), float(side))


def frame_of(width: int, height: int, image: ImageInput) -> Frame:
    """Find the square that a model sees of a photo of `width` x `height`."""
    if image.fit == "squash":
        return Frame(0.0, 0.0, width, height, width, height)
    if image.fit == "crop":
        side = min(width, height)
        return Frame((width - side) // 2, (height - side) // 2, side, side, width, height)
    place = letterbox(width, height, image.size_px)
    across, down = width / place.width, height / place.height  # photo pixels for each of the square
    size = image.size_px
    return Frame(-place.left * across, -place.top * down, size * across, size * down, width, height)


def decode_photos(photos: Sequence[Encoded], need_px: int) -> list[Photo]:
    """Decode the photos of a request to just above `need_px`.

    Raises:
        UnsupportedMedia: the first bytes of one are of no allowed format.
        UnprocessableImage: one cannot be decoded.
    """
    decoded = []
    for encoded in photos:
        try:
            decoded.append(decode(encoded, need_px))
        except FormatError as error:
            formats = ", ".join(FORMATS)
            raise UnsupportedMedia(f"The photo is in none of the allowed formats ({formats}).") from error
        except ImageError as error:
            raise UnprocessableImage(str(error)) from error
    return decoded


def _rounded(x: float, y: float, width: float, height: float) -> Box:
    return Box(*(round(value, BOX_DIGITS) for value in (x, y, width, height)))
