"""The header reader sees what the decoders see, and survives any bytes."""

import struct

import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from models.headers import SEGMENTS_LIMIT, HeaderError, read_directory, read_jpeg_header, read_orientation
from tests.models.image_bytes import (
    HEIGHT,
    WIDTH,
    after_soi,
    exif_block,
    exif_jpeg,
    jpeg_segment,
    photo,
    save,
    scans_bomb,
    three_scans,
)

JPEG = save(photo(), "JPEG")


def test_a_baseline_jpeg_has_one_scan() -> None:
    header = read_jpeg_header(JPEG)
    assert (header.width, header.height, header.components) == (WIDTH, HEIGHT, 3)
    assert (header.scans, header.orientation) == (1, 1)


@pytest.mark.parametrize(("mode", "components"), [("L", 1), ("RGB", 3), ("CMYK", 4)])
def test_components_tell_grey_colour_and_print(mode: str, components: int) -> None:
    assert read_jpeg_header(save(photo().convert(mode), "JPEG")).components == components


def test_the_scans_of_a_progressive_jpeg_are_counted() -> None:
    assert read_jpeg_header(save(photo(), "JPEG", progressive=True)).scans == 10
    assert read_jpeg_header(save(photo().convert("L"), "JPEG", progressive=True)).scans == 6
    assert read_jpeg_header(scans_bomb(500)).scans == 510


def test_what_stands_behind_the_end_is_not_counted() -> None:
    data = save(photo(), "JPEG", progressive=True)
    assert read_jpeg_header(data + b"\xff\xda\x00\x02" * 30_000).scans == 10


def test_a_baseline_jpeg_may_have_a_scan_for_each_component() -> None:
    assert read_jpeg_header(three_scans()).scans == 3


def test_restart_markers_are_neither_scans_nor_segments() -> None:
    data = save(photo(400, 400), "JPEG", progressive=True, restart_marker_blocks=1)
    assert data.count(b"\xff\xd0") * 8 > SEGMENTS_LIMIT
    assert read_jpeg_header(data).scans == 10


def test_a_marker_without_content_is_passed_over() -> None:
    assert read_jpeg_header(after_soi(b"\xff\x01")).width == WIDTH


def test_the_first_of_two_frames_counts_as_it_does_for_the_decoder() -> None:
    assert read_jpeg_header(after_soi(jpeg_segment(0xC0, struct.pack(">BHHB", 8, 5, 7, 3)))).width == 7


def test_a_frame_inside_a_thumbnail_is_not_the_photos() -> None:
    thumbnail = save(photo(16, 16), "JPEG")
    assert read_jpeg_header(exif_jpeg(exif_block(3, 1, b"\6\0") + thumbnail)).width == WIDTH


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "layout"), [(1, "B"), (3, "H"), (4, "I")])
@pytest.mark.parametrize("orientation", [1, 3, 8])
def test_an_orientation_is_read_in_every_width_and_byte_order(
    order: str, kind: int, layout: str, orientation: int
) -> None:
    block = exif_block(kind, 1, struct.pack(order + layout, orientation), order)
    assert read_orientation(block) == orientation
    assert read_orientation(b"Exif\x00\x00" + block) == orientation


@given(st.binary(max_size=200))
def test_any_exif_gives_an_orientation(noise: bytes) -> None:
    assert 1 <= read_orientation(noise) <= 8
    assert 1 <= read_orientation(b"II*\x00\x08\x00\x00\x00" + noise) <= 8
    assert 1 <= read_orientation(b"MM\x00*\x00\x00\x00\x08" + noise) <= 8


def test_a_directory_that_is_cut_off_yields_the_entries_that_are_there() -> None:
    whole = b"II*\x00" + struct.pack("<IH", 8, 3) + struct.pack("<HHII", 256, 4, 1, 7) * 2 + b"\x00\x01"
    assert [(tag.number, tag.kind, tag.count, tag.value) for tag in read_directory(whole)] == [(256, 4, 1, 7)] * 2


@settings(deadline=None, max_examples=300)
@given(st.integers(2, 700), st.binary(min_size=1, max_size=3), st.integers(0, len(JPEG)))
def test_the_size_agrees_with_the_decoders_whatever_is_damaged(place: int, new: bytes, kept: int) -> None:
    """The limits rest on this size, so no other may reach the decoder."""
    data = bytearray(JPEG)
    data[place : place + len(new)] = new
    damaged = bytes(data[:kept])
    try:
        header = read_jpeg_header(damaged)
        height, width, *_ = simplejpeg.decode_jpeg_header(damaged)
    except (HeaderError, ValueError):
        return
    assert (header.width, header.height) == (width, height)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\xff\xd8", "before its pixels"),
        (b"\xff\xd8\xff\xd9", "before its pixels"),
        (JPEG[: JPEG.index(b"\xff\xda")], "before its pixels"),
        (after_soi(b"\xff\xe2\xff\xff"), "before its pixels"),
        (after_soi(b"\xff\xda\x00\x03\x01"), "without a frame"),
        (after_soi(jpeg_segment(0xC0, b"\x08")), "frame header is too short"),
        (after_soi(jpeg_segment(0xFE, b"") * SEGMENTS_LIMIT), f"more than {SEGMENTS_LIMIT:,} segments"),
    ],
)
def test_a_broken_header_is_refused_with_its_fault(data: bytes, fault: str) -> None:
    with pytest.raises(HeaderError, match=fault):
        read_jpeg_header(data)
