import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from service.status import LINE_LIMIT_BYTES, ORPHANED, WEDGED, Message, StatusPipe, StatusReader


@pytest.fixture
def ends() -> Iterator[tuple[StatusReader, StatusPipe, int]]:
    read_fd, write_fd = os.pipe()
    reader = StatusReader(read_fd)
    yield reader, StatusPipe(write_fd), write_fd
    os.close(write_fd)
    reader.close()


def test_each_message_arrives_as_it_was_said(ends: tuple[StatusReader, StatusPipe, int]) -> None:
    reader, status, _ = ends
    status.ready("127.0.0.1", 8000)
    status.beat()
    status.wedged("lane 1 for 31 s")
    status.memory(123)
    assert status.reload()
    status.failed("No bundle\nin the store.")

    messages, is_open = reader.read()

    assert is_open
    assert messages == [
        Message("ready", "127.0.0.1 8000"),
        Message("beat"),
        Message("wedged", "lane 1 for 31 s"),
        Message("memory", "123"),
        Message("reload"),
        Message("failed", "No bundle in the store."),
    ]
    assert reader.read() == ([], True)


def test_a_line_that_arrives_in_parts_is_one_message(ends: tuple[StatusReader, StatusPipe, int]) -> None:
    reader, _, write_fd = ends
    os.write(write_fd, b"memory 1")
    assert reader.read() == ([], True)
    os.write(write_fd, b"23\nbe")
    assert reader.read() == ([Message("memory", "123")], True)


def test_a_long_sentence_is_cut_to_the_limit_and_an_endless_line_is_dropped(
    ends: tuple[StatusReader, StatusPipe, int],
) -> None:
    reader, status, write_fd = ends
    status.failed("x" * 5000)
    (message,), _ = reader.read()
    assert message.word == "failed"
    assert len(message.text) == LINE_LIMIT_BYTES - 1 - len("failed ")

    os.write(write_fd, b"y" * 5000)
    assert reader.read() == ([], True)
    os.write(write_fd, b"y\nbeat\n")
    assert reader.read() == ([Message("beat")], True)


def test_a_full_pipe_loses_beats_and_never_blocks(ends: tuple[StatusReader, StatusPipe, int]) -> None:
    reader, status, _ = ends
    for _ in range(20_000):
        status.beat()
    messages, _ = reader.read()
    assert set(messages) == {Message("beat")}


def test_the_end_of_the_pipe_is_told_with_the_last_words() -> None:
    read_fd, write_fd = os.pipe()
    reader = StatusReader(read_fd)
    StatusPipe(write_fd).failed("Port in use.")
    os.close(write_fd)

    messages, _ = reader.read()
    assert messages == [Message("failed", "Port in use.")]
    assert reader.read() == ([], False)
    reader.close()


def test_without_a_pipe_only_failures_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    status = StatusPipe(None)
    status.ready()
    status.beat()
    status.failed("No bundle in the store.")
    assert capsys.readouterr().err == "fieldmark: No bundle in the store.\n"


@pytest.mark.parametrize("act", ["StatusPipe(fd).beat()", "die_with_parent(fd)"])
def test_a_child_whose_parent_has_gone_ends_at_once(act: str) -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    code = f"from service.status import StatusPipe, die_with_parent; fd = {write_fd}; {act}; print('alive')"
    child = subprocess.run([sys.executable, "-c", code], pass_fds=[write_fd], capture_output=True, check=False)
    os.close(write_fd)
    assert (child.returncode, child.stdout) == (ORPHANED, b"")


def test_a_wedged_process_without_a_supervisor_says_why_and_ends() -> None:
    code = "from service.status import StatusPipe; StatusPipe().wedged('no progress'); print('alive')"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (process.returncode, process.stdout, process.stderr) == (WEDGED, b"", b"fieldmark: no progress\n")


def test_a_child_whose_parent_is_there_goes_on() -> None:
    read_fd, write_fd = os.pipe()
    code = f"from service.status import die_with_parent; die_with_parent({write_fd}); print('alive')"
    child = subprocess.run([sys.executable, "-c", code], pass_fds=[write_fd], capture_output=True, check=False)
    os.close(write_fd)
    os.close(read_fd)
    assert child.stdout == b"alive\n"
