"""WebP, GIF, BMP and TIFF, which people upload less often: several frames, and pixels wherever the head says they lie."""

from __future__ import annotations

import random
from functools import partial

import numpy as np
from PIL import Image

from tests.models import image_bytes as make
from tests.models.bad_images.case import BAD, FULL, GOOD, SMALL, Case, profile
from tests.models.image_bytes import GREY, ORANGE, WHITE, photo, save, solid

WEBPS = (
    Case("webp_one_pixel", GOOD, partial(save, solid(ORANGE, size=(1, 1)), "WEBP"), (1, 1), ORANGE),
    Case("webp_lossless", GOOD, partial(save, solid(ORANGE), "WEBP", lossless=True), SMALL, ORANGE),
    Case("webp_alpha", GOOD, partial(save, solid((*ORANGE, 0), "RGBA"), "WEBP", lossless=True), SMALL, WHITE),
    Case("webp_animated", GOOD, partial(make.animation, "WEBP"), SMALL, ORANGE),
    Case("webp_with_profile", GOOD, lambda: save(photo(), "WEBP", icc_profile=profile()), FULL),
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
