from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.gateway.sender import Exit, Sender

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]}
BODY: Message = {"type": "http.response.body", "body": b"one"}


class Transport:
    """Notes what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False


class Flow:
    """A client that reads."""

    write_paused = False


def sent(*messages: Message, method: str = "GET", keep_alive: bool = True) -> tuple[list[bytes], list[str]]:
    """Send messages; gives what was written and what happened besides, in order."""
    transport, events = Transport(), []  # type: ignore[var-annotated]
    parts: dict[str, Any] = {
        "scope": {"method": method, "http_version": "1.1"},
        "transport": Exit(transport, lambda: events.append("close")),  # type: ignore[arg-type]
        "flow": Flow(),
        "logger": None,
        "access_logger": None,
        "access_log": False,
        "default_headers": [(b"date", b"today")],
        "message_event": asyncio.Event(),
        "expect_100_continue": False,
        "keep_alive": keep_alive,
        "on_response": lambda: events.append("complete"),
    }
    sender = Sender(RequestResponseCycle(**parts))

    async def send_all() -> None:
        for message in messages:
            await sender(message)

    asyncio.run(send_all())
    return transport.written, events


def test_a_whole_answer_leaves_in_one_write() -> None:
    written, events = sent(START, BODY)
    assert written == [b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 3\r\n\r\none"]
    assert events == ["complete"]


def test_an_answer_in_pieces_leaves_piece_by_piece() -> None:
    start = {**START, "headers": [(b"content-length", b"6")]}
    written, events = sent(start, {**BODY, "more_body": True}, BODY)
    assert b"".join(written).endswith(b"\r\n\r\noneone")
    assert len(written) == 3
    assert events == ["complete"]


def test_the_answer_to_head_has_no_body() -> None:
    written, events = sent(START, BODY, method="HEAD")
    assert b"".join(written).endswith(b"content-length: 3\r\n\r\n")
    assert events == ["complete"]


def test_an_answer_without_a_body_leaves() -> None:
    written, events = sent({**START, "status": 204, "headers": []}, {"type": "http.response.body", "body": b""})
    assert b"".join(written).startswith(b"HTTP/1.1 204 No Content\r\n")
    assert events == ["complete"]


def test_the_last_answer_says_so_and_closes() -> None:
    written, events = sent(START, BODY, keep_alive=False)
    assert b"connection: close\r\n" in written[0]
    assert events == ["close", "complete"]


def test_a_head_that_got_no_body_may_be_replaced() -> None:
    failed: Message = {"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"3")]}
    written, _ = sent(START, failed, BODY)
    assert b"".join(written).startswith(b"HTTP/1.1 500 ")


def test_a_header_cannot_smuggle_another() -> None:
    with pytest.raises(RuntimeError, match="line end"):
        sent({**START, "headers": [(b"x-request-id", b"a\r\nset-cookie: b")]}, BODY)
