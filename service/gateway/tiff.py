"""Raw pixels as a file that every worker decodes: an uncompressed TIFF is a short head before the pixels as they are.

So a client's tensor takes the way of any photo, and neither gateway nor bus has to know pixels. Source: TIFF 6.0, sections
2 and 6 (baseline RGB, one strip).
"""

from __future__ import annotations

import struct
from functools import lru_cache

CHANNELS = 3
HEAD_BYTES = 128
HEADS_KEPT = 8

_SHORT, _LONG = 3, 4
_ENTRIES = 9
#: The bits of each channel do not fit into their entry and stand behind the directory: 8 + 2 + 9 x 12 + 4 bytes.
_BITS_AT = 122


def wrap_rgb(pixels: bytes | memoryview, size_px: int) -> bytes:
    """Make a file of a square's pixels, uint8 RGB [size_px, size_px, 3], row by row."""
    return _head(size_px) + pixels


@lru_cache(HEADS_KEPT)
def _head(size_px: int) -> bytes:
    entries = (
        (256, _LONG, 1, size_px),  # ImageWidth
        (257, _LONG, 1, size_px),  # ImageLength
        (258, _SHORT, CHANNELS, _BITS_AT),  # BitsPerSample
        (259, _SHORT, 1, 1),  # Compression: none
        (262, _SHORT, 1, 2),  # PhotometricInterpretation: RGB
        (273, _LONG, 1, HEAD_BYTES),  # StripOffsets
        (277, _SHORT, 1, CHANNELS),  # SamplesPerPixel
        (278, _LONG, 1, size_px),  # RowsPerStrip
        (279, _LONG, 1, size_px * size_px * CHANNELS),  # StripByteCounts
    )
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<2sHIH", b"II", 42, 8, _ENTRIES) + directory + struct.pack("<I3H", 0, 8, 8, 8)
