"""Which image format some bytes are, told from their first bytes alone.

Shared by the gateway, which refuses what no worker could decode before it is queued, and by the decoder. Free of
imports, so that the gateway stays light. Signatures: the formats' own specifications.
"""

from __future__ import annotations

#: Format name (as Pillow spells it) by signature; the offset is where the signature begins.
_SIGNATURES: tuple[tuple[str, int, bytes], ...] = (
    ("JPEG", 0, b"\xff\xd8\xff"),
    ("PNG", 0, b"\x89PNG\r\n\x1a\n"),
    ("WEBP", 8, b"WEBP"),
    ("GIF", 0, b"GIF87a"),
    ("GIF", 0, b"GIF89a"),
    ("TIFF", 0, b"II*\x00"),
    ("TIFF", 0, b"MM\x00*"),
    ("BMP", 0, b"BM"),
)
#: "BM" alone begins many a text; the size of the header behind the first 14 bytes is one of these.
_BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})

FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SNIFF_BYTES = 18


def sniff_format(head: bytes | bytearray | memoryview) -> str | None:
    """Name the format of an image from its first `SNIFF_BYTES` bytes, or None for anything that is not allowed."""
    start = bytes(head[:SNIFF_BYTES])
    for name, offset, signature in _SIGNATURES:
        if start[offset : offset + len(signature)] == signature and _is_complete(name, start):
            return name
    return None


def _is_complete(name: str, start: bytes) -> bool:
    """Whether the rest of the head bears out a signature that is too short or too late to tell alone."""
    if name == "WEBP":
        return start[:4] == b"RIFF"
    if name == "BMP":
        return len(start) == SNIFF_BYTES and int.from_bytes(start[14:18], "little") in _BMP_HEADER_SIZES
    return True
