"""One child process: how it is started, what the supervisor holds of it, and how it is signalled.

A child is a fresh program, never a fork that goes on: it inherits standard error, the write end of its status pipe and
nothing else, reads its settings from the environment and sits in a process group of its own, so that Ctrl-C reaches the
supervisor alone. (A session of its own would give each child its own share under Linux's autogroup scheduling.)
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from service.settings import PREFIX, Settings, to_environment
from service.status import StartReason, StatusReader

Role = Literal["gateway", "worker"]

_STDERR = 2
#: Libraries below the engine must not start threads of their own beside the lanes.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Child(Protocol):
    """A child as the supervision sees it."""

    @property
    def pid(self) -> int:
        """Process id."""

    def send_signal(self, number: int) -> None:
        """Send a signal; one that has ended already is left alone."""


class ChildProcess:
    """A running child: its process, a descriptor that becomes readable when it ends, and its status pipe."""

    def __init__(self, process: subprocess.Popen[bytes], status: StatusReader) -> None:
        self._process = process
        self.exit_fd = os.pidfd_open(process.pid)
        self.status = status

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Send a signal; one that has ended already is left alone."""
        self._process.send_signal(number)

    def reap(self) -> int:
        """Take the exit status of a child that has ended (negative: the signal) and close what belonged to it."""
        status = self._process.wait()
        os.close(self.exit_fd)
        self.status.close()
        return status


def start_child(command: list[str], environment: Mapping[str, str]) -> ChildProcess:
    """Start a command with `--status-fd N` added, N being the write end of its status pipe.

    Raises:
        OSError: there is no room for a process or a descriptor; nothing is left of it.
    """
    read_fd, write_fd = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program, by its full path
            [*command, "--status-fd", str(write_fd)],
            stdin=subprocess.DEVNULL,
            stdout=_STDERR,
            pass_fds=[write_fd],
            env=environment,
            process_group=0,
        )
    except BaseException:
        os.close(read_fd)
        raise
    finally:
        os.close(write_fd)
    try:
        return ChildProcess(process, StatusReader(read_fd))
    except BaseException:
        process.kill()
        process.wait()
        os.close(read_fd)
        raise


def own_command() -> list[str]:
    """Give the command line of this program; through its script, so that `ps` shows `fieldmark gateway`."""
    script = Path(sys.executable).with_name("fieldmark")
    return [sys.executable, str(script)] if script.is_file() else [sys.executable, "-m", "service.cli"]


def child_command(role: Role, index: int, reason: StartReason) -> list[str]:
    """Spell the command line of a child."""
    if role == "gateway":
        return [*own_command(), "gateway"]
    return [*own_command(), "worker", str(index), "--started-because", reason]


def child_environment(settings: Settings, role: Role, gpu: str | None, base: Mapping[str, str]) -> dict[str, str]:
    """Give a child's environment: `base`, the settings word for word, and for a worker its threads and its GPU."""
    environment = {name: value for name, value in base.items() if not name.upper().startswith(PREFIX)}
    environment |= to_environment(settings)
    if role == "worker":
        environment |= dict.fromkeys(_THREAD_VARIABLES, "1")
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
    return environment
