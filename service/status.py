"""The pipe on which a child process tells the supervisor how it is: one line per message.

Owns the words on the pipe, both ends of it, and the promise that a child dies with its parent. What follows from a
message is the supervisor's affair. The lines:

    ready [WORD ...]    it can serve; the gateway adds its host, port and internal port
    beat                it is alive, about once a second
    wedged REASON       an inference makes no progress
    memory BYTES        it is above its memory bound
    reload              from the gateway: somebody asks for fresh workers
    failed SENTENCE     it cannot start, and why, in words for a person

A line is shorter than PIPE_BUF, so lines of several threads never mix (POSIX, `write`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
from dataclasses import dataclass
from typing import Literal

#: Why a child was started: with the service, or in the place of one that crashed, hung, grew too large or had read old bundles.
StartReason = Literal["start", "crash", "wedge", "memory", "reload"]

LINE_LIMIT_BYTES = 1024
#: Exit status of a child whose parent is gone.
ORPHANED = 70
#: Exit status of a wedged process that has no supervisor.
WEDGED = 71

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class StatusPipe:
    """The child's end. Without a descriptor (a process without our supervisor) only failures are told, on stderr.

    Safe from any thread, never blocks: a supervisor that reads nothing for hours loses beats. Where the reading end is
    closed the parent is gone, and this process ends at once.
    """

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd
        if fd is not None:
            os.set_blocking(fd, False)
            os.set_inheritable(fd, False)

    def ready(self, *words: str | int) -> None:
        """Say that a real request would now succeed."""
        self._write("ready", *words)

    def beat(self) -> None:
        """Say that the process is alive."""
        self._write("beat")

    def wedged(self, reason: str) -> None:
        """Ask to be killed and started again; without a supervisor end at once, so that whatever stands in for it may."""
        self._write("wedged", reason)
        if self._fd is None:
            _tell(reason)
            os._exit(WEDGED)

    def memory(self, used_bytes: int) -> None:
        """Ask to be replaced."""
        self._write("memory", used_bytes)

    def reload(self) -> bool:
        """Ask for fresh workers; False without a supervisor, who would start them."""
        self._write("reload")
        return self._fd is not None

    def failed(self, sentence: str) -> None:
        """Say why this process cannot start."""
        if self._fd is None:
            _tell(sentence)
        self._write("failed", sentence)

    def _write(self, *words: str | int) -> None:
        if self._fd is None:
            return
        line = " ".join(" ".join(map(str, words)).split())
        encoded = line.encode()[: LINE_LIMIT_BYTES - 1] + b"\n"
        try:
            os.write(self._fd, encoded)
        except BlockingIOError:
            return
        except BrokenPipeError:
            os._exit(ORPHANED)


def _tell(sentence: str) -> None:
    """Say to a person what a supervisor would have been told."""
    sys.stderr.write(f"fieldmark: {sentence}\n")


def die_with_parent(status_fd: int) -> None:
    """Make the kernel kill this process when its parent ends (prctl(2), PR_SET_PDEATHSIG), or end it here and now.

    The parent may have gone before the call; then nobody holds the other end of the pipe.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "prctl")
    poll = select.poll()
    poll.register(status_fd, 0)
    if any(event & select.POLLERR for _, event in poll.poll(0)):
        os._exit(ORPHANED)


@dataclass(frozen=True, slots=True)
class Message:
    """One line of a child; `text` is what follows the first word."""

    word: str
    text: str = ""


class StatusReader:
    """The supervisor's end of one child's pipe; owns the descriptor."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._rest = b""

    def read(self) -> tuple[list[Message], bool]:
        """Take what has arrived without blocking, and tell whether the pipe is still open.

        A line over the limit is dropped: a child that writes such a thing is not one of ours.
        """
        is_open = True
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.fd, 1 << 16):
                self._rest += chunk
                if len(chunk) < 1 << 16:
                    break
            else:
                is_open = False
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest[: LINE_LIMIT_BYTES + 1]
        return [_parse(line) for line in lines if line and len(line) < LINE_LIMIT_BYTES], is_open

    def close(self) -> None:
        """Close the pipe; a child that still writes ends."""
        os.close(self.fd)


def _parse(line: bytes) -> Message:
    word, _, text = line.decode(errors="replace").partition(" ")
    return Message(word, text)
