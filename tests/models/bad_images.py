"""Bad, odd and hostile images, each named for what is wrong with it, and what has to come of each.

One long table on purpose: the decoder's tests and those of the service read it from here. Each image is made when it
is asked for, by `image_bytes.py` or an encoder.
"""

from __future__ import annotations

import base64
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial

import numpy as np
import simplejpeg
from PIL import Image, ImageCms

from tests.models import image_bytes as make
from tests.models.image_bytes import BLUE, GREY, HEIGHT, ORANGE, WHITE, WIDTH, Colour, photo, save, solid


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
RESTARTS = {"restart_marker_blocks": 1}
ROWS = make.png_rows(SMALL, bytes(ORANGE))
GOOD, BAD, NO_IMAGE = Outcome.DECODES, Outcome.REFUSED, Outcome.NOT_AN_IMAGE


def _truncated() -> Iterator[Case]:
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


def _oriented() -> Iterator[Case]:
    for name in ("JPEG", "PNG", "WEBP", "TIFF"):
        for number in range(1, 9):
            size = (HEIGHT, WIDTH) if number >= 5 else FULL
            yield Case(f"{name.lower()}_orientation_{number}", GOOD, partial(make.oriented, name, number), size)


NOT_IMAGES = (
    Case("empty", NO_IMAGE, lambda: b""),
    Case("one_byte", NO_IMAGE, lambda: b"\xff"),
    Case("random_bytes", NO_IMAGE, lambda: random.Random(1).randbytes(5_000)),
    Case("zeros", NO_IMAGE, lambda: bytes(5_000)),
    Case("pdf", NO_IMAGE, lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n%%EOF"),
    Case("html", NO_IMAGE, lambda: b"<!doctype html><html><body><h1>404</h1></body></html>"),
    Case("svg", NO_IMAGE, lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'),
    Case("svg_with_script", NO_IMAGE, lambda: b'<?xml version="1.0"?><svg><script>alert(1)</script></svg>'),
    Case("mp4", NO_IMAGE, lambda: b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(100)),
    Case("heic", NO_IMAGE, lambda: b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(100)),
    Case("zip", NO_IMAGE, lambda: b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(100)),
    Case("gzip", NO_IMAGE, lambda: b"\x1f\x8b\x08\x00" + zlib.compress(bytes(500))),
    Case("json", NO_IMAGE, lambda: b'{"image": null}'),
    Case("program", NO_IMAGE, lambda: b"\x7fELF\x02\x01\x01" + bytes(500)),
    Case("wave_sound", NO_IMAGE, lambda: b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(100)),
    Case("text_that_begins_like_a_bmp", NO_IMAGE, lambda: b"BMW 3 Series Sedan 2012 and other fine cars"),
    Case("photoshop", NO_IMAGE, lambda: b"8BPS\x00\x01" + bytes(100)),
    Case("postscript", NO_IMAGE, lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    Case("portable_pixmap", NO_IMAGE, lambda: b"P6 2 2 255\n" + bytes(12)),
    Case("icon", NO_IMAGE, lambda: save(solid(ORANGE, size=(16, 16)), "ICO")),
    Case("jpeg_2000", NO_IMAGE, lambda: b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(100)),
    Case("big_tiff", NO_IMAGE, lambda: b"II+\x00\x08\x00\x00\x00" + bytes(100)),
    Case("jpeg_as_base64", NO_IMAGE, lambda: base64.b64encode(save(photo(), "JPEG"))),
    Case("jpeg_as_data_url", NO_IMAGE, lambda: b"data:image/jpeg;base64," + base64.b64encode(save(photo(), "JPEG"))),
    Case("jpeg_after_a_newline", NO_IMAGE, lambda: b"\n" + save(photo(), "JPEG")),
    Case("jpeg_inside_a_multipart_body", NO_IMAGE, lambda: b"--x\r\n\r\n" + save(photo(), "JPEG") + b"\r\n--x--"),
    Case("jpeg_through_a_text_editor", NO_IMAGE, lambda: save(photo(), "JPEG").decode("latin-1").encode()),
)

JPEGS = (
    Case("jpeg_one_pixel", GOOD, partial(save, solid(ORANGE, size=(1, 1)), "JPEG"), (1, 1), ORANGE),
    Case("jpeg_grey", GOOD, partial(save, solid(128, "L"), "JPEG"), SMALL, GREY),
    Case("jpeg_cmyk", GOOD, partial(save, solid((25, 135, 215, 0), "CMYK"), "JPEG", quality=95), SMALL, ORANGE),
    Case("jpeg_kept_in_rgb", GOOD, partial(save, solid(ORANGE), "JPEG", keep_rgb=True, quality=95), SMALL, ORANGE),
    Case("jpeg_progressive", GOOD, partial(save, photo(), "JPEG", progressive=True), FULL),
    Case("jpeg_progressive_grey", GOOD, partial(save, photo().convert("L"), "JPEG", progressive=True), FULL),
    Case("jpeg_of_three_scans", GOOD, make.three_scans, FULL),
    Case("jpeg_progressive_with_restarts", GOOD, partial(save, photo(), "JPEG", **RESTARTS, progressive=True), FULL),
    Case("jpeg_with_restarts", GOOD, partial(save, photo(), "JPEG", **RESTARTS), FULL),
    Case("jpeg_of_quality_1", GOOD, partial(save, photo(), "JPEG", quality=1), FULL),
    Case("jpeg_411", GOOD, lambda: simplejpeg.encode_jpeg(np.asarray(photo()), colorsubsampling="411"), FULL),
    Case("jpeg_440", GOOD, lambda: simplejpeg.encode_jpeg(np.asarray(photo()), colorsubsampling="440"), FULL),
    Case("jpeg_with_two_photos", GOOD, lambda: save(photo(), "MPO", save_all=True, append_images=[solid(BLUE)]), FULL),
    Case("jpeg_with_profile", GOOD, lambda: save(photo(), "JPEG", icc_profile=_profile()), FULL),
    Case("jpeg_with_bogus_profile", GOOD, lambda: save(photo(), "JPEG", icc_profile=b"profile" * 50_000), FULL),
    Case("jpeg_with_thumbnail_exif", GOOD, lambda: make.exif_jpeg(make.exif_block(3, 1, b"\1") + bytes(60_000)), FULL),
    Case("jpeg_with_comments", GOOD, lambda: make.after_soi(make.jpeg_segment(0xFE, bytes(65_533)) * 50), FULL),
    Case("jpeg_with_filled_markers", GOOD, lambda: make.after_soi(b"\xff" * 1_000), FULL),
    Case(
        "jpeg_with_bytes_between_segments",
        GOOD,
        lambda: make.after_soi(make.jpeg_segment(0xFE, b"") + bytes(100)),
        FULL,
    ),
    Case("jpeg_with_zip_behind", GOOD, lambda: save(photo(), "JPEG") + b"PK\x03\x04" + bytes(500), FULL),
    Case("jpeg_with_zeros_behind", GOOD, lambda: save(photo(), "JPEG") + bytes(4_096), FULL),
    Case("jpeg_with_film_behind", GOOD, lambda: save(photo(), "JPEG") + random.Random(1).randbytes(50_000), FULL),
    Case("jpeg_with_html_in_comment", GOOD, lambda: save(photo(), "JPEG", comment=b"<script>alert(1)</script>"), FULL),
    Case("jpeg_with_stray_bytes_in_scan", GOOD, lambda: save(photo(), "JPEG")[:-2] + b"abc\xff\xd9", FULL),
    Case("jpeg_65500_px_wide", GOOD, partial(save, solid(ORANGE, size=(65_500, 2)), "JPEG"), (65_500, 2), ORANGE),
    Case("jpeg_65500_px_high", GOOD, partial(save, solid(ORANGE, size=(2, 65_500)), "JPEG"), (2, 65_500), ORANGE),
    Case("jpeg_frames_of_zero_height", BAD, lambda: make.with_frame(height=0)),
    Case("jpeg_bomb_by_its_claim", BAD, lambda: make.with_frame(65_535, 65_535)),
    Case("jpeg_of_more_claimed_rows", BAD, lambda: make.with_frame(height=HEIGHT * 20)),
    Case("jpeg_bomb_that_must_be_held", BAD, lambda: make.with_frame(8_000, 8_000, progressive=True)),
    Case("jpeg_bomb_of_500_scans", BAD, lambda: make.scans_bomb(500)),
    Case("jpeg_bomb_of_5000_segments", BAD, lambda: make.after_soi(make.jpeg_segment(0xFE, b"") * 5_000)),
    Case("jpeg_cut_in_half_and_ended", BAD, lambda: make.cut(50, "JPEG") + b"\xff\xd9"),
    Case("jpeg_without_end", BAD, lambda: save(photo(), "JPEG")[:-2]),
    Case("jpeg_start_alone", BAD, lambda: b"\xff\xd8\xff"),
    Case("jpeg_start_and_end", BAD, lambda: b"\xff\xd8\xff\xd9"),
    Case("jpeg_start_and_zeros", BAD, lambda: b"\xff\xd8\xff" + bytes(5_000)),
    Case("jpeg_start_and_ones", BAD, lambda: b"\xff\xd8" + b"\xff" * 5_000),
    Case("jpeg_start_and_noise", BAD, lambda: b"\xff\xd8\xff\xe0" + random.Random(2).randbytes(5_000)),
    Case("jpeg_header_alone", BAD, lambda: _until(save(photo(), "JPEG"), b"\xff\xda")),
    Case("jpeg_without_frame", BAD, lambda: make.replaced(save(photo(), "JPEG"), b"\xff\xc0", b"\xff\xef")),
    Case("jpeg_without_quantisation", BAD, lambda: save(photo(), "JPEG").replace(b"\xff\xdb", b"\xff\xef")),
    Case("jpeg_with_two_starts", BAD, lambda: make.after_soi(b"\xff\xd8")),
    Case("jpeg_segment_past_the_end", BAD, lambda: make.after_soi(b"\xff\xe2\xff\xff")),
    Case("jpeg_segment_of_length_0", BAD, lambda: make.after_soi(b"\xff\xe2\x00\x00")),
    Case(
        "jpeg_of_12_bits",
        BAD,
        lambda: make.replaced(save(photo(), "JPEG"), b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"),
    ),
    Case("jpeg_of_2_components", BAD, lambda: make.replaced(save(photo(), "JPEG"), b"`\x03\x01", b"`\x02\x01")),
    Case("jpeg_hierarchical", BAD, lambda: make.replaced(save(photo(), "JPEG"), b"\xff\xc0", b"\xff\xc5")),
)

EXIFS = (
    Case("exif_orientation_0", GOOD, lambda: make.exif_jpeg(make.exif_block(3, 1, b"\0\0")), FULL),
    Case("exif_orientation_9", GOOD, lambda: make.exif_jpeg(make.exif_block(3, 1, b"\x09\0")), FULL),
    Case("exif_orientation_65535", GOOD, lambda: make.exif_jpeg(make.exif_block(3, 1, b"\xff\xff")), FULL),
    Case("exif_orientation_as_text", GOOD, lambda: make.exif_jpeg(make.exif_block(2, 2, b"6\0")), FULL),
    Case("exif_orientation_as_long", GOOD, lambda: make.exif_jpeg(make.exif_block(4, 1, b"\6")), (HEIGHT, WIDTH)),
    Case("exif_big_endian", GOOD, lambda: make.exif_jpeg(make.exif_block(3, 1, b"\0\6", ">")), (HEIGHT, WIDTH)),
    Case("exif_of_zero_bytes", GOOD, lambda: make.exif_jpeg(b""), FULL),
    Case("exif_of_noise", GOOD, lambda: make.exif_jpeg(random.Random(3).randbytes(5_000)), FULL),
    Case("exif_cut_in_its_entry", GOOD, lambda: make.exif_jpeg(make.exif_block(3, 1, b"\6")[:14]), FULL),
    Case("exif_directory_past_the_end", GOOD, lambda: make.exif_jpeg(make.exif_block(3, 1, b"\6", offset=9_999)), FULL),
    Case("exif_directory_in_its_own_head", GOOD, lambda: make.exif_jpeg(make.exif_block(3, 1, b"\6", offset=0)), FULL),
    Case("exif_of_65535_entries", GOOD, lambda: make.exif_jpeg(b"II*\0\x08\0\0\0\xff\xff" + bytes(60_000)), FULL),
    Case("exif_twice", GOOD, lambda: make.after_soi(_exif(6), _exif(1)), (HEIGHT, WIDTH)),
    Case("png_exif_behind_its_pixels", GOOD, lambda: _exif_behind(save(photo(), "PNG")), (HEIGHT, WIDTH)),
)

PNGS = (
    Case("png_one_pixel", GOOD, partial(save, solid(ORANGE, size=(1, 1)), "PNG"), (1, 1), ORANGE),
    Case("png_1_bit", GOOD, partial(save, solid(1, "1"), "PNG"), SMALL, WHITE),
    Case("png_2_bit_palette", GOOD, lambda: _palette_png(2), SMALL, ORANGE),
    Case("png_4_bit_grey", GOOD, lambda: make.png(SMALL, 4, 0, (b"\0" + b"\x88" * 10) * 10), SMALL, (136, 136, 136)),
    Case("png_palette", GOOD, partial(save, solid(ORANGE).quantize(4), "PNG"), SMALL, ORANGE),
    Case("png_palette_one_transparent", GOOD, partial(save, solid(0, "P"), "PNG", transparency=0), SMALL, WHITE),
    Case("png_palette_half_transparent", GOOD, lambda: _palette_png(8, b"\x80"), SMALL, (242, 187, 147)),
    Case("png_grey_transparent_by_key", GOOD, partial(save, solid(9, "L"), "PNG", transparency=9), SMALL, WHITE),
    Case("png_rgb_transparent_by_key", GOOD, partial(save, solid(ORANGE), "PNG", transparency=ORANGE), SMALL, WHITE),
    Case("png_1_bit_transparent_by_key", GOOD, partial(save, solid(0, "1"), "PNG", transparency=0), SMALL, WHITE),
    Case("png_grey_alpha", GOOD, partial(save, solid((0, 128), "LA"), "PNG"), SMALL, (127, 127, 127)),
    Case("png_rgba_clear", GOOD, partial(save, solid((*ORANGE, 0), "RGBA"), "PNG"), SMALL, WHITE),
    Case("png_rgba_half", GOOD, partial(save, solid((*ORANGE, 128), "RGBA"), "PNG"), SMALL, (242, 187, 147)),
    Case("png_rgba_opaque", GOOD, partial(save, solid((*ORANGE, 255), "RGBA"), "PNG"), SMALL, ORANGE),
    Case("png_16_bit_grey", GOOD, partial(save, solid(32_896, "I;16"), "PNG"), SMALL, GREY),
    Case("png_16_bit_rgb", GOOD, lambda: make.png(SMALL, 16, 2, make.png_rows(SMALL, _deep(ORANGE))), SMALL, ORANGE),
    Case(
        "png_16_bit_rgba",
        GOOD,
        lambda: make.png(SMALL, 16, 6, make.png_rows(SMALL, _deep(ORANGE) + b"\0\0")),
        SMALL,
        WHITE,
    ),
    Case(
        "png_interlaced",
        GOOD,
        lambda: make.png(SMALL, 8, 2, make.adam7_rows(SMALL, bytes(ORANGE)), interlace=1),
        SMALL,
        ORANGE,
    ),
    Case("png_animated", GOOD, partial(make.animation, "PNG"), SMALL, ORANGE),
    Case("png_with_broken_animation", GOOD, lambda: _png(make.png_chunk(b"acTL", bytes(8))), SMALL, ORANGE),
    Case("png_with_profile", GOOD, lambda: save(photo(), "PNG", icc_profile=_profile()), FULL),
    Case("png_with_unknown_chunks", GOOD, lambda: _png(make.png_chunk(b"fiEl", bytes(9)) * 1_000), SMALL, ORANGE),
    Case("png_with_zip_behind", GOOD, lambda: save(photo(), "PNG") + b"PK\x03\x04" + bytes(500), FULL),
    Case("png_with_more_pixels_than_said", GOOD, lambda: make.png(SMALL, 8, 2, ROWS * 1_000), SMALL, ORANGE),
    Case("png_with_fewer_rows_than_said", GOOD, lambda: make.png((20, 1_000), 8, 2, ROWS), (20, 1_000)),
    Case("png_without_palette", GOOD, lambda: make.png(SMALL, 8, 3, (b"\0" + bytes(20)) * 10), SMALL),
    Case("png_65535_px_wide", GOOD, partial(save, solid(ORANGE, size=(65_535, 1)), "PNG"), (65_535, 1), ORANGE),
    Case("png_65535_px_high", GOOD, partial(save, solid(ORANGE, size=(1, 65_535)), "PNG"), (1, 65_535), ORANGE),
    Case("png_bomb_65536_px_wide", BAD, partial(save, solid(0, "L", (65_536, 1)), "PNG")),
    Case("png_of_0_by_0", BAD, lambda: make.png((0, 0), 8, 2, b"")),
    Case("png_of_0_rows", BAD, lambda: make.png((20, 0), 8, 2, b"")),
    Case("png_bomb_by_its_claim", BAD, lambda: make.png((65_535, 65_535), 8, 2, bytes(100))),
    Case("png_bomb_beyond_31_bits", BAD, lambda: make.png((0xFFFFFFFF, 0xFFFFFFFF), 8, 6, bytes(100))),
    Case("png_bomb_of_zeros", BAD, lambda: make.png((10_000, 10_000), 1, 0, bytes(10_000 * 1_251))),
    Case(
        "png_text_of_50_megabytes",
        BAD,
        lambda: _png(make.png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000)))),
    ),
    Case("png_signature_alone", BAD, lambda: b"\x89PNG\r\n\x1a\n"),
    Case("png_without_header", BAD, lambda: make.replaced(_png(), b"IHDR", b"iHDR")),
    Case("png_without_pixels", BAD, lambda: make.replaced(_png(), b"IDAT", b"iDAt")),
    Case("png_header_of_wrong_checksum", BAD, lambda: make.replaced(_png(), b"IHDR\0\0\0\x14", b"IHDR\0\0\0\x15")),
    Case("png_pixels_of_noise", BAD, lambda: _until(_png(), b"IDAT") + b"IDAT" + random.Random(4).randbytes(500)),
    Case("png_chunk_past_the_end", BAD, lambda: _png(struct.pack(">I", 0x7FFFFFFF) + b"teXt")),
    Case("png_of_3_bits", BAD, lambda: make.png(SMALL, 3, 2, ROWS)),
    Case("png_of_colour_type_5", BAD, lambda: make.png(SMALL, 8, 5, ROWS)),
    Case("png_of_unknown_filter", BAD, lambda: make.png(SMALL, 8, 2, ROWS.replace(b"\0", b"\x09"))),
)

WEBPS = (
    Case("webp_one_pixel", GOOD, partial(save, solid(ORANGE, size=(1, 1)), "WEBP"), (1, 1), ORANGE),
    Case("webp_lossless", GOOD, partial(save, solid(ORANGE), "WEBP", lossless=True), SMALL, ORANGE),
    Case("webp_alpha", GOOD, partial(save, solid((*ORANGE, 0), "RGBA"), "WEBP", lossless=True), SMALL, WHITE),
    Case("webp_animated", GOOD, partial(make.animation, "WEBP"), SMALL, ORANGE),
    Case("webp_with_profile", GOOD, lambda: save(photo(), "WEBP", icc_profile=_profile()), FULL),
    Case("webp_with_bytes_behind", GOOD, lambda: save(photo(), "WEBP") + bytes(100), FULL),
    Case("webp_16383_px_wide", GOOD, partial(save, solid(ORANGE, size=(16_383, 1)), "WEBP"), (16_383, 1), ORANGE),
    Case("webp_head_alone", BAD, lambda: b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(20)),
    Case("webp_bomb_by_its_canvas", BAD, lambda: make.webp(b"VP8X", b"\x10\0\0\0" + b"\xff" * 6)),
    Case("webp_of_noise", BAD, lambda: make.webp(b"VP8 ", random.Random(5).randbytes(500))),
    Case("webp_lossless_of_noise", BAD, lambda: make.webp(b"VP8L", b"\x2f" + random.Random(6).randbytes(500))),
    Case("webp_of_unknown_chunk", BAD, lambda: make.webp(b"WHAT", bytes(100))),
    Case("webp_without_frames", BAD, lambda: make.webp(b"VP8X", b"\x02\0\0\0" + b"\x13\0\0\x09\0\0")),
)

GIFS = (
    Case("gif_one_pixel", GOOD, partial(save, solid(ORANGE, size=(1, 1)), "GIF"), (1, 1), ORANGE),
    Case("gif_animated", GOOD, partial(make.animation, "GIF"), SMALL, ORANGE),
    Case("gif_transparent", GOOD, partial(save, solid(0, "P"), "GIF", transparency=0), SMALL, WHITE),
    Case("gif_grey", GOOD, partial(save, solid(128, "L"), "GIF"), SMALL, GREY),
    Case("gif_with_zip_behind", GOOD, lambda: save(photo(), "GIF") + b"PK\x03\x04" + bytes(500), FULL),
    Case("gif_with_a_million_comment_bytes", GOOD, lambda: _commented_gif(4_000), SMALL, WHITE),
    Case("gif_frame_larger_than_its_screen", GOOD, lambda: make.gif(2, 2, _white_frame()), SMALL, WHITE),
    Case("gif_screen_of_0_by_0", BAD, lambda: make.gif(0, 0)),
    Case("gif_without_frames", BAD, lambda: make.gif(20, 10)),
    Case("gif_bomb_by_its_screen", BAD, lambda: make.gif(65_535, 65_535, _white_frame())),
    Case("gif_bomb_by_its_frame", BAD, lambda: make.gif(20, 10, make.gif_frame(65_535, 65_535, b"\x4c\x01"))),
    Case("gif_of_noise", BAD, lambda: make.gif(200, 100, make.gif_frame(200, 100, random.Random(7).randbytes(200)))),
    Case("gif_signature_alone", BAD, lambda: b"GIF89a"),
)

BMPS = (
    Case("bmp_one_pixel", GOOD, partial(save, solid(ORANGE, size=(1, 1)), "BMP"), (1, 1), ORANGE),
    Case("bmp_1_bit", GOOD, partial(save, solid(1, "1"), "BMP"), SMALL, WHITE),
    Case("bmp_palette", GOOD, partial(save, solid(ORANGE).quantize(4), "BMP"), SMALL, ORANGE),
    Case("bmp_32_bit", GOOD, lambda: make.bmp(*SMALL, 32, b"\x28\x78\xe6\0" * 200), SMALL, ORANGE),
    Case("bmp_16_bit", GOOD, lambda: make.bmp(*SMALL, 16, b"\xff\x7f" * 200), SMALL, WHITE),
    Case("bmp_top_down", GOOD, lambda: make.bmp(20, -10, 24, b"\x28\x78\xe6" * 200), SMALL, ORANGE),
    Case("bmp_run_lengths", GOOD, lambda: _run_length_bmp(b"\x14\x01\0\0" * 10 + b"\0\1"), SMALL, WHITE),
    Case("bmp_run_lengths_that_jump", GOOD, lambda: _run_length_bmp(b"\0\2\xff\xff" * 100), SMALL, (0, 0, 0)),
    Case("bmp_of_negative_width", BAD, lambda: make.bmp(-20, 10, 24, bytes(600))),
    Case("bmp_of_0_rows", BAD, lambda: make.bmp(20, 0, 24, b"")),
    Case("bmp_of_7_bits", BAD, lambda: make.bmp(20, 10, 7, bytes(600))),
    Case("bmp_bomb_by_its_claim", BAD, lambda: make.bmp(60_000, 60_000, 24, bytes(100))),
    Case("bmp_with_too_few_pixels", BAD, lambda: make.bmp(200, 100, 24, bytes(100))),
    Case("bmp_run_lengths_cut", BAD, lambda: _run_length_bmp(b"\x14\x01")),
    Case("bmp_of_unknown_compression", BAD, lambda: make.bmp(20, 10, 24, bytes(600), compression=9)),
    Case("bmp_head_alone", BAD, lambda: make.bmp(20, 10, 24, b"")[:30]),
)

TIFFS = (
    Case("tiff_one_pixel", GOOD, partial(save, solid(ORANGE, size=(1, 1)), "TIFF"), (1, 1), ORANGE),
    Case("tiff_fax", GOOD, partial(save, solid(1, "1"), "TIFF", compression="group4"), SMALL, WHITE),
    Case("tiff_lzw", GOOD, partial(save, solid(ORANGE), "TIFF", compression="tiff_lzw"), SMALL, ORANGE),
    Case("tiff_packbits", GOOD, partial(save, solid(ORANGE), "TIFF", compression="packbits"), SMALL, ORANGE),
    Case("tiff_jpeg", GOOD, partial(save, solid(ORANGE), "TIFF", compression="jpeg", quality=95), SMALL, ORANGE),
    Case("tiff_16_bit", GOOD, partial(save, solid(32_896, "I;16"), "TIFF"), SMALL, GREY),
    Case("tiff_16_bit_big_endian", GOOD, partial(save, solid(32_896, "I;16B"), "TIFF"), SMALL, GREY),
    Case("tiff_32_bit_within_16", GOOD, partial(save, solid(32_896, "I"), "TIFF"), SMALL, GREY),
    Case("tiff_32_bit_beyond_16", GOOD, partial(save, solid(2_000_000_000, "I"), "TIFF"), SMALL, WHITE),
    Case("tiff_32_bit_below_zero", GOOD, partial(save, solid(-60_000, "I"), "TIFF"), SMALL, (0, 0, 0)),
    Case("tiff_float_up_to_1", GOOD, lambda: save(_floats(0.5), "TIFF"), SMALL, GREY),
    Case("tiff_float_up_to_255", GOOD, lambda: save(_floats(255.0), "TIFF"), SMALL, WHITE),
    Case("tiff_float_not_a_number", GOOD, lambda: save(_floats(float("nan")), "TIFF"), SMALL, (0, 0, 0)),
    Case("tiff_float_infinite", GOOD, lambda: save(_floats(float("inf")), "TIFF"), SMALL, (0, 0, 0)),
    Case("tiff_cmyk", GOOD, partial(save, solid((25, 135, 215, 0), "CMYK"), "TIFF"), SMALL, ORANGE),
    Case("tiff_lab", GOOD, partial(save, solid((255, 128, 128), "LAB"), "TIFF"), SMALL, WHITE),
    Case("tiff_rgba", GOOD, partial(save, solid((*ORANGE, 0), "RGBA"), "TIFF"), SMALL, WHITE),
    Case("tiff_palette", GOOD, partial(save, solid(ORANGE).quantize(4), "TIFF"), SMALL, ORANGE),
    Case("tiff_of_three_pages", GOOD, partial(make.animation, "TIFF"), SMALL, ORANGE),
    Case("tiff_by_hand", GOOD, make.grey_tiff, SMALL, GREY),
    Case("tiff_big_endian", GOOD, lambda: make.grey_tiff(order=">"), SMALL, GREY),
    Case("tiff_of_0_rows", BAD, lambda: make.grey_tiff(20, 0)),
    Case("tiff_bomb_by_its_claim", BAD, lambda: make.grey_tiff(60_000, 60_000)),
    Case("tiff_bomb_by_its_directory", BAD, lambda: make.grey_tiff(strips=1 << 30)),
    Case("tiff_of_5_bits", BAD, lambda: make.grey_tiff(bits=5)),
    Case("tiff_of_unknown_compression", BAD, lambda: make.grey_tiff(compression=999)),
    Case("tiff_deflated_noise", BAD, lambda: make.grey_tiff(200, 100, compression=8)),
    Case("tiff_strips_past_the_end", BAD, lambda: make.grey_tiff(2_000, 1_000)),
    Case("tiff_without_directory", BAD, lambda: b"II*\x00\xff\xff\xff\x7f" + bytes(100)),
    Case("tiff_directory_in_its_own_head", BAD, lambda: b"II*\x00\x00\x00\x00\x00" + bytes(100)),
    Case("tiff_of_noise", BAD, lambda: b"II*\x00\x08\x00\x00\x00" + random.Random(8).randbytes(5_000)),
    Case("tiff_empty_directory", BAD, lambda: make.tiff([])),
)


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _until(data: bytes, part: bytes) -> bytes:
    return data[: data.index(part)]


def _exif(orientation: int) -> bytes:
    block = make.exif_block(3, 1, bytes([orientation, 0]))
    return make.jpeg_segment(0xE1, b"Exif\x00\x00" + block)


def _exif_behind(data: bytes) -> bytes:
    return data[:-12] + make.png_chunk(b"eXIf", make.exif_block(3, 1, b"\6\0")) + data[-12:]


def _deep(colour: Colour) -> bytes:
    return bytes(value for part in colour for value in (part, part))


def _png(before: bytes = b"") -> bytes:
    return make.png(SMALL, 8, 2, ROWS, before=before)


def _palette_png(depth: int, alpha: bytes = b"") -> bytes:
    before = make.png_chunk(b"PLTE", bytes(ORANGE)) + (make.png_chunk(b"tRNS", alpha) if alpha else b"")
    return make.png(SMALL, depth, 3, (b"\x00" + bytes(SMALL[0] * depth // 8)) * SMALL[1], before=before)


def _white_frame() -> bytes:
    """20 x 10 pixels of colour 1, with a clear code before each, so that the codes never grow."""
    codes = [code for _ in range(200) for code in (4, 1)] + [5]
    bits = sum(code << 3 * place for place, code in enumerate(codes))
    return make.gif_frame(*SMALL, bits.to_bytes((3 * len(codes) + 7) // 8, "little"))


def _commented_gif(blocks: int) -> bytes:
    return make.gif(*SMALL, b"!\xfe" + (b"\xff" + b"c" * 255) * blocks + b"\x00", _white_frame())


def _run_length_bmp(codes: bytes) -> bytes:
    return make.bmp(*SMALL, 8, codes, compression=1, extra=bytes(4) + b"\xff\xff\xff\x00" + bytes(254 * 4))


def _floats(value: float) -> Image.Image:
    return Image.fromarray(np.full(SMALL[::-1], value, np.float32))


CASES: tuple[Case, ...] = (
    *_truncated(),
    *_oriented(),
    *NOT_IMAGES,
    *JPEGS,
    *EXIFS,
    *PNGS,
    *WEBPS,
    *GIFS,
    *BMPS,
    *TIFFS,
)
