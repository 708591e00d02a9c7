"""Decoding and fitting: geometry, orientation, colour and what must stay equal whatever the format."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from models import preprocess
from models.preprocess import (
    HELD_PIXELS_LIMIT,
    PIXELS_LIMIT,
    Fit,
    ImageError,
    Letterbox,
    Pixels,
    decode,
    fit_pixels,
    letterbox,
    prepare_decoders,
)
from tests.models.image_bytes import ORIENTATION_TAG, oriented, photo, save, solid, with_frame

FITS: tuple[Fit, ...] = ("squash", "crop", "letterbox")
SAMPLES = Path(__file__).parents[1] / "samples"
LOSSLESS = ("PNG", "BMP", "TIFF")


def distance(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference of two images, in levels of 0 to 255."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def stripes(rows: int, columns: int) -> Pixels:
    """Uint8 RGB whose red tells the row and whose green tells the column, each as a share of 255."""
    y, x = np.mgrid[0:rows, 0:columns]
    blue = np.full((rows, columns), 7)
    return np.stack([y * 255 // max(1, rows - 1), x * 255 // max(1, columns - 1), blue], axis=2).astype(np.uint8)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_agrees_with_the_reference(name: str, orientation: int) -> None:
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(name, {})
    data = oriented(name, orientation, **options)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    stored = Image.open(io.BytesIO(save(photo(), "PNG", exif=exif)))
    reference = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    decoded = decode(data)
    assert (decoded.height, decoded.width) == reference.shape[:2]
    assert distance(decoded.pixels, reference) < (4 if name == "JPEG" else 0.001)


def test_orientation_and_reduction_may_come_together() -> None:
    image = photo(800, 400)
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    decoded = decode(save(image, "JPEG", quality=95, exif=exif), 100)
    assert (decoded.width, decoded.height) == (400, 800)
    assert decoded.pixels.shape == (200, 100, 3)
    upright = np.asarray(image.transpose(Image.Transpose.ROTATE_270).reduce(4))
    assert distance(decoded.pixels, upright) < 3


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["JPEG", "PNG", "WEBP"]), st.integers(1, 600), st.integers(1, 600), st.integers(1, 400))
def test_reduction_stops_above_what_is_needed(name: str, width: int, height: int, need_px: int) -> None:
    decoded = decode(save(solid((9, 99, 199), size=(width, height)), name), need_px)
    rows, columns = decoded.pixels.shape[:2]
    assert (decoded.width, decoded.height) == (width, height)
    assert min(width, need_px) <= columns <= width
    assert min(height, need_px) <= rows <= height


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_large_photo_is_reduced_to_less_than_twice_what_is_needed(name: str) -> None:
    decoded = decode(save(photo(1_000, 1_000), name), 100)
    assert 100 <= decoded.pixels.shape[0] < 200
    assert 100 <= decoded.pixels.shape[1] < 200


def test_without_a_need_the_photo_keeps_its_size() -> None:
    assert decode(save(photo(301, 203), "JPEG")).pixels.shape == (203, 301, 3)


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_keep_every_pixel(name: str) -> None:
    assert np.array_equal(decode(save(photo(), name)).pixels, np.asarray(photo()))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 128), st.sampled_from(FITS))
def test_every_fit_gives_the_models_square(rows: int, columns: int, size_px: int, fit: Fit) -> None:
    fitted = fit_pixels(stripes(rows, columns), size_px, fit)
    assert fitted.shape == (size_px, size_px, 3)
    assert fitted.dtype == np.uint8
    assert fitted.flags["C_CONTIGUOUS"]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(8, 128))
def test_letterbox_keeps_the_shape_and_pads_with_grey(rows: int, columns: int, size_px: int) -> None:
    place = letterbox(columns, rows, size_px)
    fitted = fit_pixels(np.full((rows, columns, 3), 7, np.uint8), size_px, "letterbox")
    inside = np.zeros((size_px, size_px), bool)
    inside[place.top : place.top + place.height, place.left : place.left + place.width] = True
    assert (fitted[inside] == 7).all()
    assert (fitted[~inside] == 128).all()


@pytest.mark.parametrize(
    ("size", "size_px", "place"),
    [
        ((640, 427), 512, Letterbox(0, 85, 512, 342)),
        ((427, 640), 512, Letterbox(85, 0, 342, 512)),
        ((1, 4_000), 224, Letterbox(111, 0, 1, 224)),
        ((65_535, 1), 224, Letterbox(0, 111, 224, 1)),
        ((10, 10), 224, Letterbox(0, 0, 224, 224)),
    ],
)
def test_a_letterbox_has_the_place_worked_out_by_hand(size: tuple[int, int], size_px: int, place: Letterbox) -> None:
    assert letterbox(*size, size_px) == place


@pytest.mark.parametrize("name", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(1_000, 667), (667, 1_000), (999, 401), (3_000, 301)])
def test_a_reduced_photo_lies_in_its_letterbox_where_the_full_one_would(name: str, size: tuple[int, int]) -> None:
    fitted, _ = preprocess.preprocess(save(solid((250, 250, 250), size=size), name), 224, "letterbox")
    rows, columns = np.nonzero(fitted[:, :, 0] > 200)
    place = letterbox(*size, 224)
    assert (columns.min(), rows.min()) == (place.left, place.top)
    assert (columns.max() + 1, rows.max() + 1) == (place.left + place.width, place.top + place.height)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_reduction_does_not_move_what_a_fit_shows(name: str, fit: Fit) -> None:
    """A wide photo needs less reduction on its short side; what is seen must not depend on it."""
    image = Image.fromarray(stripes(500, 1_700))
    reduced, _ = preprocess.preprocess(save(image, name, quality=95), 100, fit)
    assert distance(reduced, fit_pixels(np.asarray(image), 100, fit)) < 2


def test_squash_shows_the_whole_photo_and_crop_its_middle() -> None:
    pixels = stripes(100, 300)
    squashed = fit_pixels(pixels, 50, "squash").astype(int)
    assert (squashed[0, 0, 1], squashed[0, -1, 1]) == (pytest.approx(0, abs=4), pytest.approx(255, abs=4))
    cropped = fit_pixels(pixels, 50, "crop").astype(int)
    assert (cropped[0, 0, 1], cropped[0, -1, 1]) == (pytest.approx(85, abs=3), pytest.approx(170, abs=3))
    assert (cropped[0, 0, 0], cropped[-1, 0, 0]) == (pytest.approx(0, abs=4), pytest.approx(255, abs=4))


@pytest.mark.parametrize("fit", FITS)
def test_a_photo_of_the_models_size_is_left_alone(fit: Fit) -> None:
    pixels = np.asarray(photo(64, 64))
    assert np.array_equal(fit_pixels(pixels, 64, fit), pixels)


def test_a_part_of_a_photo_is_fitted_like_a_photo_of_its_own() -> None:
    pixels = np.asarray(photo(200, 200))
    part = pixels[20:150, 40:170]
    assert np.array_equal(fit_pixels(part, 48, "squash"), fit_pixels(part.copy(), 48, "squash"))


def test_a_fine_pattern_fades_to_its_mean_and_does_not_alias() -> None:
    checks = np.indices((400, 400)).sum(0) % 2 * 255
    fitted = fit_pixels(np.repeat(checks[:, :, None], 3, axis=2).astype(np.uint8), 50, "squash")
    assert np.abs(fitted.astype(int) - 127).max() <= 1


def test_a_bundles_input_is_decode_and_fit() -> None:
    data = (SAMPLES / "nuthatch.jpg").read_bytes()
    pixels, decoded = preprocess.preprocess(data, 224, "squash")
    assert np.array_equal(pixels, fit_pixels(decode(data, 224).pixels, 224, "squash"))
    assert (decoded.width, decoded.height) == Image.open(io.BytesIO(data)).size


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_same_bytes_give_the_same_pixels_in_any_buffer(name: str) -> None:
    data = save(photo(300, 200), name)
    first, _ = preprocess.preprocess(data, 96, "squash")
    framed = b"head" + data + b"tail"
    for buffer in (data, bytearray(data), memoryview(data), memoryview(framed)[4:-4]):
        assert np.array_equal(preprocess.preprocess(buffer, 96, "squash")[0], first)


@pytest.mark.parametrize("sample", sorted(path.stem for path in SAMPLES.glob("*.jpg")))
@pytest.mark.parametrize("fit", FITS)
def test_a_photo_as_png_and_as_jpeg_looks_the_same_to_the_model(sample: str, fit: Fit) -> None:
    image = Image.open(SAMPLES / f"{sample}.jpg").convert("RGB")
    as_png, _ = preprocess.preprocess(save(image, "PNG"), 224, fit)
    as_jpeg, _ = preprocess.preprocess(save(image, "JPEG", quality=95), 224, fit)
    assert distance(as_png, as_jpeg) < 0.8


def test_a_jpeg_that_the_strict_decoder_doubts_is_judged_by_pillow() -> None:
    data = save(photo(), "JPEG", quality=95)
    stray = data[:-2] + b"abc\xff\xd9"
    assert distance(decode(stray).pixels, decode(data).pixels) < 1


def test_more_pixels_are_allowed_where_they_need_not_be_held() -> None:
    side = 9_000
    assert HELD_PIXELS_LIMIT < side * side < PIXELS_LIMIT
    one_scan = save(solid(128, "L", (side, side)), "JPEG")
    assert decode(one_scan, 64).pixels.shape[0] < side // 7
    assert decode(one_scan[:-2] + b"abc\xff\xd9", 64).width == side
    with pytest.raises(ImageError, match=rf"{side} x {side} pixels; at most 50,000,000 "):
        decode(with_frame(side, side, progressive=True), 64)
    with pytest.raises(ImageError, match=r"20000 x 20000 pixels; at most 100,000,000 "):
        decode(with_frame(20_000, 20_000), 64)


def test_a_photo_without_rows_is_told_as_such() -> None:
    with pytest.raises(ImageError, match=r"no pixels \(96 x 0\)"):
        decode(with_frame(height=0))


def test_running_out_of_memory_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(preprocess, "_to_pixels", fail)
    with pytest.raises(ImageError, match="does not fit into memory"):
        decode(save(photo(), "PNG"))


def test_a_prepared_process_decodes_each_photo_in_one_thread() -> None:
    before = cv2.getNumThreads()
    try:
        prepare_decoders()
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)
