from __future__ import annotations

from service.gateway.writer import AnswerWriter


class Transport:
    """Notes what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False


def make() -> tuple[AnswerWriter, list[bytes]]:
    transport = Transport()
    return AnswerWriter(transport, lambda: transport.written.append(b"END")), transport.written  # type: ignore[arg-type]


def test_a_head_waits_for_the_first_piece_of_its_body() -> None:
    writer, written = make()
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    assert written == []
    writer.write(b"one")
    writer.write(b"two")
    writer.end_answer()
    assert written == [b"HTTP/1.1 200 OK\r\n\r\none", b"two"]


def test_a_head_without_a_body_leaves_at_the_answers_end() -> None:
    writer, written = make()
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    writer.end_answer()
    assert written == [b"HTTP/1.1 204 No Content\r\n\r\n"]


def test_a_word_to_go_on_does_not_wait() -> None:
    writer, written = make()
    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert written == [b"HTTP/1.1 100 Continue\r\n\r\n"]


def test_the_next_answer_begins_with_a_head_again() -> None:
    writer, written = make()
    for _ in range(2):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.write(b"x")
        writer.end_answer()
    assert written == [b"HTTP/1.1 200 OK\r\n\r\nx"] * 2


def test_nothing_is_lost_at_the_end() -> None:
    writer, written = make()
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    writer.close()
    assert written == [b"HTTP/1.1 200 OK\r\n\r\n", b"END"]
