"""The format of an image is told from its first bytes, and nothing that is not an image passes."""

import ast
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models import formats
from models.formats import FORMATS, SNIFF_BYTES, sniff_format


def encoded(name: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (3, 2), (200, 100, 50)).save(file, name)
    return file.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_every_allowed_format_is_told_from_its_head(name: str) -> None:
    data = encoded(name)
    assert sniff_format(data) == name
    assert sniff_format(data[:SNIFF_BYTES]) == name
    assert sniff_format(bytearray(data)) == name
    assert sniff_format(memoryview(data)) == name


def test_both_byte_orders_of_tiff_and_both_ages_of_gif_are_told() -> None:
    assert sniff_format(b"II*\x00" + bytes(14)) == "TIFF"
    assert sniff_format(b"MM\x00*" + bytes(14)) == "TIFF"
    assert sniff_format(b"GIF87a" + bytes(12)) == "GIF"
    assert sniff_format(b"GIF89a" + bytes(12)) == "GIF"


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff",
        b"\xff\xd8",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj",
        b"<!doctype html><html>",
        b'<svg xmlns="http://www.w3.org/2000/svg">',
        b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isom",
        b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avif",
        b"PK\x03\x04\x14\x00\x00\x00\x08\x00",
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"XXXX\x24\x00\x00\x00WEBPVP8 ",
        b"BMW builds cars, not pictures",
        b"BM",
        b"GIF88a" + bytes(12),
        b"II+\x00\x08\x00\x00\x00" + bytes(10),
        b"\x7fELF\x02\x01\x01" + bytes(11),
        bytes(18),
    ],
    ids=repr,
)
def test_anything_else_is_not_an_image(head: bytes) -> None:
    assert sniff_format(head) is None


@given(st.binary(max_size=64))
def test_any_bytes_give_an_allowed_format_or_none(data: bytes) -> None:
    assert sniff_format(data) in (*FORMATS, None)
    assert sniff_format(data) == sniff_format(data[:SNIFF_BYTES])


def test_telling_formats_imports_nothing() -> None:
    tree = ast.parse(Path(formats.__file__).read_text(encoding="utf-8"))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [node.module for node in imported if isinstance(node, ast.ImportFrom)] == ["__future__"]
    assert len(imported) == 1
