"""What is not an image of a known format, whatever it claims."""

from __future__ import annotations

import base64
import random
import zlib

from tests.models.bad_images.case import NO_IMAGE, Case
from tests.models.image_bytes import ORANGE, photo, save, solid

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
