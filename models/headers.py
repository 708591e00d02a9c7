"""What a photo's header says, read without touching its pixels.

Owns the walk over a JPEG's segments (size, components, scans, orientation) and the directory of tags that EXIF and TIFF
share. Leaves the limits on what is decoded to `models.preprocess`, and all else in the files to the decoders. Reads
nothing twice and never past the end; what it does itself is bounded by `SEGMENTS_LIMIT`. Free of imports beyond Python's.

Sources: JPEG, ITU-T T.81 annex B; TIFF 6.0 section 2; EXIF 2.32 section 4.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

SEGMENTS_LIMIT = 4_096

_ANY_MARKER = re.compile(rb"\xff[^\x00\xff]")
#: Inside a scan a restart marker is data.
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SOI, _EOI, _SOS, _APP1 = 0xD8, 0xD9, 0xDA, 0xE1
#: SOF0 to SOF15 without DHT, JPG and DAC, which share their range.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE_MARKERS = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
#: TEM and the restart markers stand alone; all others carry a length.
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})

Encoded = bytes | bytearray | memoryview

_EXIF_PREFIX = b"Exif\x00\x00"
_ORIENTATION_TAG = 0x0112
_BYTE, _SHORT, _LONG = 1, 3, 4


class HeaderError(ValueError):
    """The header cannot be read; the message is safe to show to a caller."""


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """A JPEG as it is stored: `width` and `height` in pixels before `orientation` (EXIF, 1 to 8) is applied.

    `scans` is 1 where the decoder can stream; a decoder of several scans holds the whole photo's coefficients.
    """

    width: int
    height: int
    components: int
    scans: int
    orientation: int


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry of a TIFF directory; `value` is its inline integer, or the offset of what does not fit inline."""

    number: int
    kind: int
    count: int
    value: int


def read_jpeg_header(data: Encoded) -> JpegHeader:
    """Walk a JPEG's segments up to its pixels, and over its scans where there are several.

    Raises:
        HeaderError: no frame, no scan, a segment past the end, or more than `SEGMENTS_LIMIT` segments.
    """
    view = memoryview(data)
    frame: tuple[int, int, int] | None = None
    orientation, progressive = 0, False
    for marker, start, end in _segments(view):
        if marker == _APP1 and not orientation and view[start : start + 6] == _EXIF_PREFIX:
            orientation = read_orientation(view[start:end])
        elif marker in _FRAME_MARKERS and frame is None:
            if end - start < 6:
                raise HeaderError("its frame header is too short")
            frame = struct.unpack_from(">xHHB", view, start)
            progressive = marker in _PROGRESSIVE_MARKERS
        elif marker == _SOS:
            if frame is None or end == start:
                raise HeaderError("it has pixels without a frame header")
            height, width, components = frame
            several = progressive or view[start] < components
            scans = _count_scans(view, end) if several else 1
            return JpegHeader(width, height, components, scans, orientation or 1)
    raise HeaderError("it ends before its pixels")


def _segments(
    view: memoryview, start: int = 2, marker_pattern: re.Pattern[bytes] = _ANY_MARKER
) -> Iterator[tuple[int, int, int]]:
    """Yield marker, first and last-plus-one byte of each segment's content; bytes between segments are skipped."""
    position = start
    for _ in range(SEGMENTS_LIMIT):
        found = marker_pattern.search(view, position)
        if found is None or len(view) < found.end() + 2:
            return
        position = found.end()
        marker = view[position - 1]
        if marker in (_SOI, _EOI):
            return
        if marker in _BARE_MARKERS:
            continue
        end = position + struct.unpack_from(">H", view, position)[0]
        if end < position + 2 or end > len(view):
            return
        yield marker, position + 2, end
        position = end
    raise HeaderError(f"it has more than {SEGMENTS_LIMIT:,} segments")


def _count_scans(view: memoryview, after_first: int) -> int:
    return 1 + sum(marker == _SOS for marker, _, _ in _segments(view, after_first, _MARKER_AFTER_SCAN))


def read_orientation(exif: Encoded) -> int:
    """The EXIF orientation, 1 to 8, out of an EXIF block with or without its prefix; 1 where it is absent or bogus."""
    view = memoryview(exif)
    if view[:6] == _EXIF_PREFIX:
        view = view[6:]
    for tag in read_directory(view):
        if tag.number == _ORIENTATION_TAG:
            return tag.value if tag.kind in (_BYTE, _SHORT, _LONG) and 1 <= tag.value <= 8 else 1
    return 1


def read_directory(tiff: Encoded) -> Iterator[Tag]:
    """Yield the entries of the first directory of a TIFF structure, as many as are there; none if it is not one."""
    view = memoryview(tiff)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(bytes(view[:4]))
    if order is None or len(view) < 8:
        return
    (offset,) = struct.unpack_from(f"{order}I", view, 4)
    if offset + 2 > len(view):
        return
    (count,) = struct.unpack_from(f"{order}H", view, offset)
    entries = view[offset + 2 : offset + 2 + 12 * count]
    for number, kind, values, value in struct.iter_unpack(f"{order}HHII", entries[: len(entries) // 12 * 12]):
        # A shorter value stands at the start of its four bytes, so byte order decides where it lies in the number.
        unused_bits = {_BYTE: 24, _SHORT: 16}.get(kind, 0) if values == 1 else 0
        inline = value >> unused_bits if order == ">" else value & (0xFFFFFFFF >> unused_bits)
        yield Tag(number, kind, values, inline)
