"""From the bytes of a photo to the pixels a model sees: the one definition that training, export and serving share.

Owns the size limits, scaled decoding, orientation, colour conversion and the fit to a model's square input. Leaves
normalisation to the exported graphs, so that only bytes are moved. Torch-free and free of state.

A photo is decoded to just above the size that is needed (JPEG by DCT scaling, the rest by whole-number box reduction);
the remaining factor, below two, is bilinear.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from models.formats import FORMATS, sniff_format

Pixels = npt.NDArray[np.uint8]
Fit = Literal["crop", "squash", "letterbox"]

PIXELS_LIMIT = 100_000_000
SIDE_LIMIT_PX = 65_535
_ORIENTATION_TAG = 0x0112
_LETTERBOX_GREY = 128

#: EXIF orientation -> (transpose, mirror left-right, mirror top-bottom), applied in this order to rows x columns.
_ORIENTATIONS: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


class ImageError(ValueError):
    """The bytes are not a photo that can be decoded; the message is safe to show to a caller."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo, upright.

    `pixels` is uint8 RGB [rows, columns, 3], perhaps reduced; `width` and `height` are those of the full photo as a
    person sees it, in pixels.
    """

    pixels: Pixels
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Header:
    format: str
    width: int
    height: int
    orientation: int
    is_plain_jpeg: bool


def decode(data: bytes | memoryview, need_px: int | None = None) -> Photo:
    """Decode an encoded photo to upright RGB, reduced to just above `need_px` on both sides (None: full size).

    Raises:
        ImageError: an unknown format, over `PIXELS_LIMIT` or `SIDE_LIMIT_PX`, or damaged data.
    """
    format_name = sniff_format(data)
    if format_name is None:
        raise ImageError(f"not an image in an allowed format ({', '.join(FORMATS)})")
    with _image_errors(format_name), Image.open(io.BytesIO(data), formats=[format_name]) as image:
        header = _check_header(image, format_name)
        pixels = _decode_jpeg(data, need_px) if header.is_plain_jpeg else None
        if pixels is None:
            pixels = _decode_with_pillow(image, need_px)
    pixels = _orient(pixels, header.orientation)
    if header.orientation >= 5:
        return Photo(pixels, header.height, header.width)
    return Photo(pixels, header.width, header.height)


def fit_pixels(pixels: Pixels, size_px: int, fit: Fit) -> Pixels:
    """Fit upright RGB [rows, columns, 3] into the model's square: uint8 [size_px, size_px, 3], contiguous.

    `squash` scales both sides on their own, `crop` takes the central square, `letterbox` keeps the shape and pads
    with mid grey.
    """
    rows, columns = pixels.shape[:2]
    if fit == "squash":
        return _resize(pixels, size_px, size_px)
    if fit == "crop":
        side = min(rows, columns)
        top, left = (rows - side) // 2, (columns - side) // 2
        return _resize(pixels[top : top + side, left : left + side], size_px, size_px)
    scale = min(size_px / columns, size_px / rows)
    inner_columns = max(1, round(columns * scale))
    inner_rows = max(1, round(rows * scale))
    left, top = (size_px - inner_columns) // 2, (size_px - inner_rows) // 2
    canvas = np.full((size_px, size_px, 3), _LETTERBOX_GREY, np.uint8)
    canvas[top : top + inner_rows, left : left + inner_columns] = _resize(pixels, inner_rows, inner_columns)
    return canvas


def preprocess(data: bytes | memoryview, size_px: int, fit: Fit) -> tuple[Pixels, Photo]:
    """Decode and fit in one step: the model's input, uint8 [size_px, size_px, 3], and the photo it was made from."""
    photo = decode(data, size_px)
    return fit_pixels(photo.pixels, size_px, fit), photo


@contextmanager
def _image_errors(format_name: str) -> Iterator[None]:
    """Turn what the decoders raise into `ImageError`, without their messages: those may hold paths."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"the image has more than {PIXELS_LIMIT:,} pixels") from error
    except MemoryError as error:
        raise ImageError("the image does not fit into memory") from error
    except Exception as error:  # Pillow's plugins raise almost anything on damaged files
        raise ImageError(f"the {format_name} data is damaged or incomplete") from error


def _check_header(image: Image.Image, format_name: str) -> _Header:
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"the image has no pixels ({width} x {height})")
    if max(width, height) > SIDE_LIMIT_PX:
        raise ImageError(f"the image is {width} x {height} pixels; a side may have at most {SIDE_LIMIT_PX:,}")
    if width * height > PIXELS_LIMIT:
        raise ImageError(f"the image is {width} x {height} pixels; at most {PIXELS_LIMIT:,} are decoded")
    orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    if orientation not in _ORIENTATIONS:
        orientation = 1
    is_plain_jpeg = format_name == "JPEG" and image.mode in ("RGB", "L")
    return _Header(format_name, width, height, orientation, is_plain_jpeg)


def _decode_jpeg(data: bytes | memoryview, need_px: int | None) -> Pixels | None:
    """Decode with DCT scaling, or None where the strict decoder objects and Pillow has to judge."""
    try:
        if need_px is None:
            return simplejpeg.decode_jpeg(data, "RGB")
        return simplejpeg.decode_jpeg(data, "RGB", min_height=need_px, min_width=need_px, min_factor=1)
    except ValueError:
        return None


def _decode_with_pillow(image: Image.Image, need_px: int | None) -> Pixels:
    width, height = image.size
    if need_px is not None and image.format == "JPEG":
        image.draft(None, (need_px, need_px))
    frame: Image.Image = _to_rgb(image)
    if need_px is not None:
        factors = (max(1, frame.width // need_px), max(1, frame.height // need_px))
        if factors != (1, 1):
            frame = frame.reduce(factors)
    return np.asarray(frame, np.uint8)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Bring any Pillow mode to RGB: 16-bit and float greys are scaled, transparency lies on white."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image, np.float32)
        top = 65_535.0 if image.mode != "F" else max(float(np.nanmax(values)), 1e-6)
        grey = np.clip(np.nan_to_num(values) * (255.0 / top), 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _orient(pixels: Pixels, orientation: int) -> Pixels:
    transpose, mirror, flip = _ORIENTATIONS[orientation]
    if transpose:
        pixels = pixels.transpose(1, 0, 2)
    if mirror:
        pixels = pixels[:, ::-1]
    if flip:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _resize(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """Resize to [rows, columns, 3]: a box mean over whole factors of two and more, then bilinear."""
    row_factor = max(1, pixels.shape[0] // rows)
    column_factor = max(1, pixels.shape[1] // columns)
    if row_factor > 1 or column_factor > 1:
        boxes = pixels[: pixels.shape[0] // row_factor * row_factor, : pixels.shape[1] // column_factor * column_factor]
        size = (boxes.shape[1] // column_factor, boxes.shape[0] // row_factor)
        pixels = np.asarray(cv2.resize(boxes, size, interpolation=cv2.INTER_AREA), np.uint8)
    if pixels.shape[:2] == (rows, columns):
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_LINEAR), np.uint8)
