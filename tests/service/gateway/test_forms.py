from __future__ import annotations

import base64
import json
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.errors import BadRequest, FieldmarkError, InvalidParameter, TooLarge
from service.gateway.forms import FIELDS_LIMIT, IMAGES_LIMIT, Form, MultipartForm, read_json

LIMIT = 1000
TYPE = b"multipart/form-data; boundary=XX"


def part(name: str, content: bytes, extra: str = "") -> bytes:
    return f'--XX\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + content + b"\r\n"


def parse(*pieces: bytes, content_type: bytes = TYPE) -> Form:
    form = MultipartForm(content_type, LIMIT)
    for piece in pieces:
        form.write(piece)
    return form.finish()


WHOLE = part("top_k", b"3") + part("image", b"\xff\xd8photo", '; filename="a.jpg"') + b"--XX--\r\n"


def test_a_form_is_read_in_one_piece() -> None:
    assert parse(WHOLE) == Form({"top_k": "3"}, b"\xff\xd8photo")


@given(st.lists(st.integers(0, len(WHOLE)), max_size=10))
@example(list(range(len(WHOLE))))
def test_a_form_is_read_the_same_however_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WHOLE)]
    assert parse(*(WHOLE[start:end] for start, end in pairwise(edges))) == parse(WHOLE)


@given(st.binary(max_size=300), st.integers(1, 50))
def test_a_photo_survives_any_bytes_and_cuts(photo: bytes, step: int) -> None:
    if b"\r\n--XX" in b"\r\n" + photo:
        return
    body = part("image", photo) + b"--XX--\r\n"
    assert parse(*(body[start : start + step] for start in range(0, len(body), step))).image == photo


@given(st.binary(max_size=300))
@example(WHOLE[:-10])
@example(b"--XX\r\n" * 50)
def test_any_bytes_give_a_form_or_a_refusal(body: bytes) -> None:
    try:
        parse(body)
    except FieldmarkError as error:
        assert error.status in (400, 413, 422)


@pytest.mark.parametrize("length", range(len(WHOLE) - 4))
def test_a_form_that_breaks_off_is_refused(length: int) -> None:
    with pytest.raises(BadRequest):
        parse(WHOLE[:length])


def test_the_photo_may_be_larger_than_a_field() -> None:
    assert parse(part("image", bytes(5 * LIMIT)) + b"--XX--").image == bytes(5 * LIMIT)
    with pytest.raises(TooLarge, match="Field 'text' is larger than 1000 bytes"):
        parse(part("text", bytes(LIMIT + 1)) + b"--XX--")


def test_several_photos_of_one_subject_are_kept_in_their_order() -> None:
    photos = [bytes([number]) * 2 * LIMIT for number in range(IMAGES_LIMIT)]
    parts = b"".join(part("images", photo) for photo in photos)
    assert parse(parts + b"--XX--").images == photos
    encoded = json.dumps({"images": [base64.b64encode(photo).decode() for photo in photos]})
    assert read_json(encoded.encode(), LIMIT).images == photos
    with pytest.raises(InvalidParameter, match="more than 5 images"):
        parse(parts + part("images", b"x") + b"--XX--")


def test_json_brings_lists_of_texts() -> None:
    assert read_json(b'{"candidates": ["a", "b"]}', LIMIT).fields == {"candidates": ["a", "b"]}


def test_too_many_fields_are_refused() -> None:
    fields = b"".join(part(f"f{index}", b"") for index in range(1000))
    with pytest.raises(BadRequest, match=f"more than {FIELDS_LIMIT} fields"):
        parse(fields + b"--XX--")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (part("image", b"a") + part("image", b"b") + b"--XX--", InvalidParameter),
        (part("top_k", b"1") + part("top_k", b"2") + b"--XX--", InvalidParameter),
        (part("top_k", b"\xff\xfe") + b"--XX--", InvalidParameter),
        (b"--XX\r\nContent-Type: text/plain\r\n\r\nx\r\n--XX--", BadRequest),
        (b'--XX\r\nContent-Disposition: attachment; name="image"\r\n\r\nx\r\n--XX--', BadRequest),
        (b'--XX\r\nContent-Disposition: form-data; name=""\r\n\r\nx\r\n--XX--', BadRequest),
        (b"--XX\r\n" + b"X-Long: " + b"a" * 10_000 + b"\r\n\r\nx\r\n--XX--", BadRequest),
        (b"--XX\r\n" + b"X-Many: a\r\n" * 100 + b"\r\nx\r\n--XX--", BadRequest),
        (b"--YY\r\n\r\n--YY--", BadRequest),
        (b"", BadRequest),
    ],
    ids=["photo twice", "field twice", "not utf-8", "no name", "no form-data", "empty name", "long header",
         "many headers", "other boundary", "empty"],
)  # fmt: skip
def test_a_form_of_wrong_shape_is_refused(body: bytes, error: type[FieldmarkError]) -> None:
    with pytest.raises(error):
        parse(body)


@pytest.mark.parametrize("content_type", [b"multipart/form-data", b"multipart/form-data; boundary="])
def test_a_boundary_must_be_named(content_type: bytes) -> None:
    with pytest.raises(BadRequest, match="names no boundary"):
        MultipartForm(content_type, LIMIT)


def test_a_boundary_has_a_limit() -> None:
    with pytest.raises(BadRequest, match="300 bytes"):
        MultipartForm(TYPE + b"X" * 298, LIMIT)


def test_a_nested_form_is_a_field_like_any_other() -> None:
    inner = b'--YY\r\nContent-Disposition: form-data; name="image"\r\n\r\nx\r\n--YY--'
    assert parse(part("text", inner) + b"--XX--") == Form({"text": inner.decode()})


def test_json_brings_the_photo_in_base64() -> None:
    body = json.dumps({"image": base64.b64encode(b"photo").decode(), "top_k": 3, "explain": True, "text": "a"})
    assert read_json(body.encode(), LIMIT) == Form({"top_k": 3, "explain": True, "text": "a"}, b"photo")


@given(st.binary(max_size=300))
def test_any_bytes_give_json_or_a_refusal(body: bytes) -> None:
    try:
        read_json(body, LIMIT)
    except FieldmarkError as error:
        assert error.status in (400, 413, 422)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
        max_leaves=20,
    )
)
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        read_json(json.dumps(value).encode(), LIMIT)
    except FieldmarkError as error:
        assert error.status in (400, 413, 422)


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ("", BadRequest, "not JSON"),
        ("{", BadRequest, "not JSON"),
        ("[]", BadRequest, "not an object"),
        ('"x"', BadRequest, "not an object"),
        ("[" * 100_000, BadRequest, "not"),
        ('{"a":' * 100_000, BadRequest, "not JSON"),
        ('{"image": 5}', BadRequest, "in base64"),
        ('{"image": null}', BadRequest, "in base64"),
        ('{"image": "%%%"}', BadRequest, "not base64"),
        ('{"image": "YWI"}', BadRequest, "not base64"),
        ('{"image": "YWJj\\nYWJj"}', BadRequest, "not base64"),
        ('{"image": "YWJj\\u00e9"}', BadRequest, "not base64"),
        ('{"image": "data:image/jpeg;base64,YWJj"}', BadRequest, "data: URL"),
        ('{"images": "YWJj"}', BadRequest, "must be a list"),
        ('{"images": ["YWJj", 5]}', BadRequest, "Field 'images' must be a text in base64"),
        ('{"images": ["", "", "", "", "", ""]}', InvalidParameter, "more than 5 images"),
        ('{"top_k": [5]}', InvalidParameter, "Field 'top_k'"),
        ('{"top_k": {"a": {"b": 5}}}', InvalidParameter, "Field 'top_k'"),
        ('{"text": "' + "a" * 2000 + '"}', TooLarge, "larger than 1000 bytes"),
        ("{" + ",".join(f'"f{index}": 1' for index in range(40)) + "}", BadRequest, "40 fields"),
    ],
)
def test_json_of_wrong_shape_is_refused(body: str, error: type[FieldmarkError], said: str) -> None:
    with pytest.raises(error, match=said):
        read_json(body.encode(), LIMIT)


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (b'{"images":[' + b"0," * 400_000 + b"0]}", InvalidParameter, "more than 5 images"),
        (b"{" + b",".join(b'"%06x":0' % n for n in range(400_000)) + b"}", TooLarge, "may have 163072 together"),
    ],
    ids=["photos", "fields"],
)
def test_json_of_many_small_parts_is_refused_before_they_are_built(
    body: bytes, error: type[FieldmarkError], said: str
) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(error, match=said):
            read_json(body, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(body)
    finally:
        tracemalloc.stop()
