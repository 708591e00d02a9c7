"""The bytes of images that no encoder writes, for the corpus of bad images and the decoder's tests.

Owns the builders alone; what is wrong with an image, and what has to come of it, stands in `bad_images`. What the
bytes mean is written down in the formats' own specifications.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

Colour = tuple[int, int, int]

WIDTH, HEIGHT = 96, 64
ORANGE: Colour = (230, 120, 40)
BLUE: Colour = (40, 80, 200)
WHITE: Colour = (255, 255, 255)
GREY: Colour = (128, 128, 128)
ORIENTATION_TAG = 0x0112


def photo(width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> Image.Image:
    """Smooth, colourful and asymmetric, with a little grain: what a photo is to an encoder."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    planes = np.stack([40 + 180 * x, 60 + 150 * y, 230 - 120 * x * y], axis=2)
    grain = np.random.default_rng(seed).normal(0, 4, planes.shape)
    return Image.fromarray(np.clip(planes + grain, 0, 255).astype(np.uint8))


def solid(colour: Colour | int | tuple[int, ...], mode: str = "RGB", size: tuple[int, int] = (20, 10)) -> Image.Image:
    return Image.new(mode, size, colour)


def save(image: Image.Image, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def animation(name: str) -> bytes:
    """Three frames, the first of them orange."""
    frames = [solid(colour) for colour in (ORANGE, BLUE, WHITE)]
    return save(frames[0], name, save_all=True, append_images=frames[1:])


def oriented(name: str, orientation: int, **options: object) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return save(photo(), name, exif=exif, **options)


def png_chunk(kind: bytes, content: bytes, crc: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + content) if crc is None else crc
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(
    size: tuple[int, int], depth: int, colour_type: int, rows: bytes, *, before: bytes = b"", interlace: int = 0
) -> bytes:
    """A PNG by hand, for what Pillow does not write; `rows` are filtered and not yet compressed."""
    header = struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, interlace)
    chunks = [png_chunk(b"IHDR", header), before, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_rows(size: tuple[int, int], pixel: bytes) -> bytes:
    return (b"\x00" + pixel * size[0]) * size[1]


def adam7_rows(size: tuple[int, int], pixel: bytes) -> bytes:
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    sizes = [(len(range(x, size[0], dx)), len(range(y, size[1], dy))) for x, y, dx, dy in passes]
    return b"".join(png_rows(part, pixel) for part in sizes if part[0] and part[1])


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def after_soi(*parts: bytes, **options: object) -> bytes:
    """A good JPEG with something put in right at its start."""
    data = save(photo(), "JPEG", **options)
    return data[:2] + b"".join(parts) + data[2:]


def with_frame(height: int | None = None, width: int | None = None, **options: object) -> bytes:
    """A JPEG that claims another size than its pixels have."""
    data = bytearray(save(photo(), "JPEG", **options))
    start = data.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
    old_height, old_width = struct.unpack_from(">HH", data, start + 5)
    struct.pack_into(">HH", data, start + 5, old_height if height is None else height, width or old_width)
    return bytes(data)


def three_scans() -> bytes:
    """A baseline JPEG with one scan for each of its components, all three the same plane."""
    data = save(photo().convert("L"), "JPEG")
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    new_frame = jpeg_segment(0xC0, struct.pack(">BHHB", 8, HEIGHT, WIDTH, 3) + components)
    scans = [jpeg_segment(0xDA, bytes([1, number, 0, 0, 63, 0])) + data[scan + 10 : -2] for number in (1, 2, 3)]
    return data[:frame] + new_frame + data[frame + 13 : scan] + b"".join(scans) + data[-2:]


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def exif_jpeg(exif: bytes) -> bytes:
    return after_soi(jpeg_segment(0xE1, b"Exif\x00\x00" + exif))


def exif_block(kind: int, count: int, value: bytes, order: str = "<", offset: int = 8) -> bytes:
    """An EXIF block with the orientation as its only entry."""
    head = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(f"{order}I", offset)
    return head + struct.pack(f"{order}HHHI", 1, ORIENTATION_TAG, kind, count) + value.ljust(4, b"\x00") + bytes(4)


def scans_bomb(scans: int) -> bytes:
    data = save(photo(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


def tiff(entries: Sequence[tuple[int, int, int, int]], tail: bytes = b"", order: str = "<") -> bytes:
    """A TIFF by hand: its directory at byte 8, then `tail`."""
    head = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(f"{order}IH", 8, len(entries))
    packed = b"".join(
        struct.pack(f"{order}HHI", *entry[:3])
        + struct.pack(f"{order}HH" if entry[1] == 3 else f"{order}I", *((entry[3], 0) if entry[1] == 3 else entry[3:]))
        for entry in entries
    )
    return head + packed + bytes(4) + tail


def grey_tiff(
    width: int = 20, height: int = 10, *, bits: int = 8, compression: int = 1, strips: int = 1, order: str = "<"
) -> bytes:
    place = 8 + 2 + 12 * 8 + 4
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, compression), (262, 3, 1, 1)]
    entries += [(273, 4, strips, place), (277, 3, 1, 1), (279, 4, 1, width * height)]
    return tiff(entries, b"\x80" * min(width * height, 4_000), order)


def bmp(width: int, height: int, bits: int, pixels: bytes, *, compression: int = 0, extra: bytes = b"") -> bytes:
    start = 14 + 40 + len(extra)
    head = struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0) + extra + pixels


def gif(width: int, height: int, *blocks: bytes) -> bytes:
    return (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xff" * 3 + b"".join(blocks) + b";"
    )


def gif_frame(width: int, height: int, codes: bytes) -> bytes:
    frame = struct.pack("<cHHHHB", b",", 0, 0, width, height, 0)
    return frame + b"\x02" + bytes([len(codes)]) + codes + b"\x00"


def webp(kind: bytes, content: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def cut(percent: int, name: str, mode: str = "RGB", **options: object) -> bytes:
    data = save(photo().convert(mode), name, **options)
    return data[: len(data) * percent // 100]
