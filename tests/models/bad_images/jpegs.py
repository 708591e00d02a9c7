"""JPEG: what an encoder may write, what a header may claim, and what its EXIF block may say."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
import simplejpeg

from tests.models import image_bytes as make
from tests.models.bad_images.case import BAD, FULL, GOOD, SMALL, Case, profile, until
from tests.models.image_bytes import BLUE, GREY, HEIGHT, ORANGE, WIDTH, photo, save, solid

RESTARTS = {"restart_marker_blocks": 1}

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
    Case("jpeg_with_profile", GOOD, lambda: save(photo(), "JPEG", icc_profile=profile()), FULL),
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
    Case("jpeg_header_alone", BAD, lambda: until(save(photo(), "JPEG"), b"\xff\xda")),
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


def _exif(orientation: int) -> bytes:
    block = make.exif_block(3, 1, bytes([orientation, 0]))
    return make.jpeg_segment(0xE1, b"Exif\x00\x00" + block)


def _exif_behind(data: bytes) -> bytes:
    return data[:-12] + make.png_chunk(b"eXIf", make.exif_block(3, 1, b"\6\0")) + data[-12:]
