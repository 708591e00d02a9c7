"""From the bytes of a photo to the pixels a model sees: the one definition that training, export and serving share.

Owns the size limits, scaled decoding, orientation, colour conversion and the fit to a model's square input. Leaves
normalisation to the exported graphs, so that only bytes are moved. Torch-free; decodes in any number of threads, for
nothing that is shared is changed after `prepare_decoders`.

A photo is first reduced by the power of two that leaves it just above the size that is needed, a JPEG while it is
decoded (DCT scaling), any other by the mean of boxes: those two look alike, which DCT scaling by other factors does
not. The remaining factor is bilinear. Colours are taken as sRGB: embedded profiles are not applied, in training neither.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from models.formats import FORMATS, sniff_format
from models.headers import Encoded, HeaderError, read_directory, read_jpeg_header, read_orientation

Pixels = npt.NDArray[np.uint8]
Fit = Literal["crop", "squash", "letterbox"]

SIDE_LIMIT_PX = 65_535
PIXELS_LIMIT = 100_000_000
#: Where the whole photo has to be held before it can be reduced: all but a JPEG of one scan. Takes 0.6 GB at most.
HELD_PIXELS_LIMIT = 50_000_000
#: A progressive JPEG can ask for endless passes over its pixels in a few bytes each; encoders make about ten.
SCANS_LIMIT = 100
#: Values in one entry of a TIFF's directory, such as the places of its strips.
TIFF_VALUES_LIMIT = 1 << 18
_BYTES_KINDS = frozenset({1, 2, 6, 7})  # TIFF types of one byte: profiles and thumbnails, which may be long

_DCT_FACTOR_LIMIT = 8  # of a JPEG's blocks of 8 x 8
_LETTERBOX_GREY = 128

#: EXIF orientation -> (transpose, then the axis to flip: 0 top-bottom, 1 left-right, -1 both).
ORIENTATIONS: dict[int, tuple[bool, int | None]] = {
    1: (False, None),
    2: (False, 1),
    3: (False, -1),
    4: (False, 0),
    5: (True, None),
    6: (True, 1),
    7: (True, -1),
    8: (True, 0),
}

#: The readers themselves: `Image.open` would guess the format and warn by a size limit of its own.
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}
_FULL_SCALE = {"I": 65_535.0, "F": 1.0}  # of greys by Pillow's mode, unless the photo goes beyond; 16 bit: 65,535
_TRANSPARENT_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})


class ImageError(ValueError):
    """The bytes are not a photo that can be decoded; the message is safe to show to a caller."""


class FormatError(ImageError):
    """By their first bytes they are in none of the allowed formats."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo, upright.

    `pixels` is uint8 RGB [rows, columns, 3], perhaps reduced; `width` and `height` are those of the full photo as a
    person sees it, in pixels. `scene` is the photo that this one was cut out of, where it tells of nothing else.
    """

    pixels: Pixels
    width: int
    height: int
    scene: Photo | None = None


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a photo that keeps its shape lies in the model's square, in pixels of the square."""

    left: int
    top: int
    width: int
    height: int


def prepare_decoders() -> None:
    """Set this process up for decoding in several threads; call it once, before the first of them starts.

    One photo takes one thread, so OpenCV's own pool is turned off. Pillow's warnings about odd files are silenced for
    good: doing so around each decode would race, since Python's warning filters belong to the process.
    """
    cv2.setNumThreads(1)
    warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(data: Encoded, need_px: int | None = None) -> Photo:
    """Decode an encoded photo to upright RGB, reduced to just above `need_px` on both sides (None: full size).

    An animation gives its first frame; transparency lies on white.

    Raises:
        FormatError: an unknown format.
        ImageError: over a limit, or damaged or incomplete data.
    """
    format_name = sniff_format(data)
    if format_name is None:
        raise FormatError(f"not an image in an allowed format ({', '.join(FORMATS)})")
    try:
        if format_name == "JPEG":
            return _decode_jpeg(data, need_px)
        return _decode_with_pillow(data, format_name, need_px, HELD_PIXELS_LIMIT)
    except ImageError:
        raise
    except HeaderError as error:
        raise ImageError(f"the JPEG cannot be read: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # a canvas or frame beyond the head
        raise ImageError(f"the image has more than {HELD_PIXELS_LIMIT:,} pixels") from error
    except MemoryError as error:
        raise ImageError("the image does not fit into memory") from error
    except Exception as error:  # Pillow's readers raise almost anything on damaged files; their words may hold paths
        raise ImageError(f"the {format_name} data is damaged or incomplete") from error


def letterbox(width: int, height: int, size_px: int) -> Letterbox:
    """Place a photo of `width` x `height` as large as it fits, centred, in a square of `size_px`."""
    scale = min(size_px / width, size_px / height)
    inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
    return Letterbox((size_px - inner_width) // 2, (size_px - inner_height) // 2, inner_width, inner_height)


def fit_pixels(pixels: Pixels, size_px: int, fit: Fit, photo_size: tuple[int, int] | None = None) -> Pixels:
    """Fit upright RGB [rows, columns, 3] into the model's square: uint8 [size_px, size_px, 3], contiguous.

    `squash` scales both sides on their own, `crop` takes the central square, `letterbox` keeps the shape and pads
    with mid grey. `photo_size` is the full photo's width and height where `pixels` are reduced: the letterbox follows
    them, so that boxes are mapped by the photo's size alone.
    """
    rows, columns = pixels.shape[:2]
    if fit == "squash":
        return _resize(pixels, size_px, size_px)
    if fit == "crop":
        side = min(rows, columns)
        top, left = (rows - side) // 2, (columns - side) // 2
        return _resize(pixels[top : top + side, left : left + side], size_px, size_px)
    width, height = photo_size or (columns, rows)
    place = letterbox(width, height, size_px)
    canvas = np.full((size_px, size_px, 3), _LETTERBOX_GREY, np.uint8)
    inner = _resize(pixels, place.height, place.width)
    canvas[place.top : place.top + place.height, place.left : place.left + place.width] = inner
    return canvas


def preprocess(data: Encoded, size_px: int, fit: Fit) -> tuple[Pixels, Photo]:
    """Decode and fit in one step: the model's input, uint8 [size_px, size_px, 3], and the photo it was made from."""
    photo = decode(data, size_px)
    return fit_pixels(photo.pixels, size_px, fit, (photo.width, photo.height)), photo


def _check_size(width: int, height: int, pixels_limit: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"the image has no pixels ({width} x {height})")
    if max(width, height) > SIDE_LIMIT_PX:
        raise ImageError(f"the image is {width} x {height} pixels; a side may have at most {SIDE_LIMIT_PX:,}")
    if width * height > pixels_limit:
        raise ImageError(f"the image is {width} x {height} pixels; at most {pixels_limit:,} of its kind are decoded")


def _whole_factor(width: int, height: int, need_px: int | None) -> int:
    """The power of two to reduce both sides by, so that the photo keeps its shape and no side falls below the need."""
    spare = 1 if need_px is None else min(width, height) // need_px
    return 1 << max(0, spare.bit_length() - 1)


def _decode_jpeg(data: Encoded, need_px: int | None) -> Photo:
    header = read_jpeg_header(data)
    if header.scans > SCANS_LIMIT:
        raise ImageError(f"the JPEG has more than {SCANS_LIMIT} scans")
    pixels_limit = PIXELS_LIMIT if header.scans == 1 else HELD_PIXELS_LIMIT
    _check_size(header.width, header.height, pixels_limit)
    factor = min(_whole_factor(header.width, header.height, need_px), _DCT_FACTOR_LIMIT)
    size = -(-header.height // factor), -(-header.width // factor)
    pixels = _decode_plain_jpeg(data, *size) if header.components in (1, 3) else None
    if pixels is None:
        return _decode_with_pillow(data, "JPEG", need_px, pixels_limit)
    return _upright(pixels, header.width, header.height, header.orientation)


def _decode_plain_jpeg(data: Encoded, rows: int, columns: int) -> Pixels | None:
    """Decode grey or colour, DCT-scaled to `rows` x `columns`; None if the strict decoder objects: let Pillow judge."""
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=rows, min_width=columns, min_factor=1)
    except ValueError as error:
        # libjpeg fills what is missing with grey and only warns. Other warnings are about a few stray bytes.
        if "premature end" in str(error).lower():
            raise ImageError("the JPEG data ends too early") from error
        return None
    return pixels


def _decode_with_pillow(data: Encoded, format_name: str, need_px: int | None, pixels_limit: int) -> Photo:
    if format_name == "TIFF":
        _check_directory(data)
    with _READERS[format_name](io.BytesIO(data)) as image:
        width, height = image.size
        _check_size(width, height, pixels_limit)
        if format_name == "JPEG":
            factor = _whole_factor(width, height, need_px)
            image.draft(None, (width // factor, height // factor))
        image.load()
        # A TIFF's orientation is applied by its reader; a PNG's may stand behind the pixels.
        orientation = 1 if format_name == "TIFF" else read_orientation(image.info.get("exif", b""))
        return _upright(_to_pixels(image, need_px), width, height, orientation)


def _check_directory(data: Encoded) -> None:
    """Refuse a TIFF whose directory would fill memory with numbers before its size is known."""
    most = max((tag.count for tag in read_directory(data) if tag.kind not in _BYTES_KINDS), default=0)
    if most > TIFF_VALUES_LIMIT:
        raise ImageError(f"an entry of the TIFF's directory holds {most:,} values; at most {TIFF_VALUES_LIMIT:,}")


def _to_pixels(image: Image.Image, need_px: int | None) -> Pixels:
    """Bring any Pillow mode to RGB: deep greys are scaled to 8 bits, transparency lies on white."""
    if image.mode in _FULL_SCALE or image.mode.startswith("I;16"):
        image = _to_eight_bits(image)
    elif image.mode in _TRANSPARENT_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode != "L":
        image = image.convert("RGB")
    factor = _whole_factor(image.width, image.height, need_px)
    if factor > 1:
        image = image.reduce(factor)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"), np.uint8)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale a deep grey's full range, or its brightest value if that lies beyond, to 255."""
    values = np.nan_to_num(np.array(image, np.float32), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    top = max(_FULL_SCALE.get(image.mode, 65_535.0), float(values.max()))
    return Image.fromarray(np.asarray(cv2.convertScaleAbs(np.maximum(values, 0.0, out=values), alpha=255.0 / top)))


def _upright(pixels: Pixels, width: int, height: int, orientation: int) -> Photo:
    transpose, flip = ORIENTATIONS[orientation]
    if transpose:
        pixels = np.asarray(cv2.transpose(pixels), np.uint8)
        width, height = height, width
    if flip is not None:
        pixels = np.asarray(cv2.flip(pixels, flip), np.uint8)
    return Photo(pixels, width, height)


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
