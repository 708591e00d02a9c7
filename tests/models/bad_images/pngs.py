"""PNG: depths, colour types and transparency, chunks that lie, and bombs."""

from __future__ import annotations

import random
import struct
import zlib
from functools import partial

from tests.models import image_bytes as make
from tests.models.bad_images.case import BAD, FULL, GOOD, SMALL, Case, profile, until
from tests.models.image_bytes import GREY, ORANGE, WHITE, Colour, photo, save, solid

ROWS = make.png_rows(SMALL, bytes(ORANGE))

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
    Case("png_with_profile", GOOD, lambda: save(photo(), "PNG", icc_profile=profile()), FULL),
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
    Case("png_pixels_of_noise", BAD, lambda: until(_png(), b"IDAT") + b"IDAT" + random.Random(4).randbytes(500)),
    Case("png_chunk_past_the_end", BAD, lambda: _png(struct.pack(">I", 0x7FFFFFFF) + b"teXt")),
    Case("png_of_3_bits", BAD, lambda: make.png(SMALL, 3, 2, ROWS)),
    Case("png_of_colour_type_5", BAD, lambda: make.png(SMALL, 8, 5, ROWS)),
    Case("png_of_unknown_filter", BAD, lambda: make.png(SMALL, 8, 2, ROWS.replace(b"\0", b"\x09"))),
)


def _deep(colour: Colour) -> bytes:
    return bytes(value for part in colour for value in (part, part))


def _png(before: bytes = b"") -> bytes:
    return make.png(SMALL, 8, 2, ROWS, before=before)


def _palette_png(depth: int, alpha: bytes = b"") -> bytes:
    before = make.png_chunk(b"PLTE", bytes(ORANGE)) + (make.png_chunk(b"tRNS", alpha) if alpha else b"")
    return make.png(SMALL, depth, 3, (b"\x00" + bytes(SMALL[0] * depth // 8)) * SMALL[1], before=before)
