"""Requests that wish for another protocol on the way, as those of `curl --http2` do."""

from __future__ import annotations

import pytest

from tests.service.gateway.serving import JPEG, RunningGateway, read_all, read_answer, request

WISH = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2_settings": "AAMAAABkAARAAAAAAAIAAAAA"}
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(JPEG), JPEG)

#: A photo with its length, and one in chunks.
photos = pytest.mark.parametrize(
    ("body", "framing"),
    [(JPEG, {"content_length": str(len(JPEG))}), (CHUNKS, {"transfer_encoding": "chunked"})],
    ids=["length", "chunks"],
)


@photos
def test_a_photo_with_a_wish_is_answered(gateway: RunningGateway, body: bytes, framing: dict[str, str]) -> None:
    with gateway.connect() as connection:
        for _ in range(2):
            connection.sendall(request(body=body, **framing, **WISH))
            assert read_answer(connection).status == 200


@photos
def test_a_photo_that_comes_after_its_wish_is_answered(
    gateway: RunningGateway, body: bytes, framing: dict[str, str]
) -> None:
    with gateway.connect() as connection:
        for _ in range(2):
            connection.sendall(request(body=b"", expect="100-continue", **framing, **WISH))
            assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(body)
            assert read_answer(connection).status == 200


def test_wishes_may_follow_each_other_at_once(gateway: RunningGateway) -> None:
    with gateway.connect() as connection:
        last = request("/healthz", b"", "GET", connection="close")
        connection.sendall(request(**WISH) + request("/healthz", b"", "GET", **WISH) + request(**WISH) + last)
        assert read_all(connection).count(b"HTTP/1.1 200 OK") == 4


def test_a_body_is_never_taken_for_a_request(gateway: RunningGateway) -> None:
    inner = request("/healthz", b"", "GET")
    with gateway.connect() as connection:
        connection.sendall(request(body=inner, **WISH) + request("/v1/models", b"", "GET", connection="close"))
        answers = read_all(connection).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"415", b"200"]
    assert b'"models"' in answers[1]


def test_what_is_no_http_behind_a_wish_is_refused(gateway: RunningGateway) -> None:
    with gateway.connect() as connection:
        connection.sendall(request("/healthz", b"", "GET", **WISH) + b"\x00\x01\x02 no http\r\n\r\n")
        assert read_all(connection).count(b"HTTP/1.1 200 OK") == 1
