"""The supervisor's one loop: wait for a line, an end, a signal or the next due time, and tell the supervision.

Everything is an event on a descriptor: status pipes, process descriptors that become readable when a child ends
(pidfd_open(2)), and a pair of sockets on which Python writes the numbers of caught signals. Nothing is polled.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
from collections.abc import Iterator
from types import FrameType

from service.supervisor.child import ChildProcess
from service.supervisor.supervision import Supervision

DRAIN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Loop:
    """Waits on the descriptors of children and signals; `watch` is called for each child that is started."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, child: ChildProcess) -> None:
        """Listen to a child's pipe and for its end."""
        self._selector.register(child.status.fd, selectors.EVENT_READ, (child, "status"))
        self._selector.register(child.exit_fd, selectors.EVENT_READ, (child, "exit"))

    def run(self, supervision: Supervision) -> int:
        """Serve the supervision until it is over; gives its exit status."""
        with _signals_as_bytes() as signals, contextlib.closing(self._selector):
            self._selector.register(signals, selectors.EVENT_READ, (None, "signal"))
            supervision.begin()
            while supervision.exit_status is None:
                for key, _ in self._selector.select(supervision.seconds_to_due()):
                    child, what = key.data
                    if what == "signal":
                        for number in signals.recv(64):
                            supervision.on_signal(number)
                    elif what == "exit":
                        self._end(supervision, child)
                    elif self._listens_to(child):
                        self._listen(supervision, child)
                supervision.on_time()
        return supervision.exit_status

    def _listens_to(self, child: ChildProcess) -> bool:
        """Tell whether a child's pipe is still open; its number may belong to a younger child already."""
        key = self._selector.get_map().get(child.status.fd)
        return key is not None and key.data == (child, "status")

    def _listen(self, supervision: Supervision, child: ChildProcess) -> None:
        messages, is_open = child.status.read()
        if not is_open:
            self._selector.unregister(child.status.fd)
        for message in messages:
            supervision.on_message(child, message)

    def _end(self, supervision: Supervision, child: ChildProcess) -> None:
        """Take a child's last words, then its end."""
        self._selector.unregister(child.exit_fd)
        if self._listens_to(child):
            self._listen(supervision, child)
        if self._listens_to(child):
            self._selector.unregister(child.status.fd)
        supervision.on_exit(child, child.reap())


@contextlib.contextmanager
def _signals_as_bytes() -> Iterator[socket.socket]:
    """Turn the signals that ask for an end into bytes on a socket; restores what was before.

    One that is ignored stays so: `nohup` means that the service outlives its terminal.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    heard = [number for number in DRAIN_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    handlers = {number: signal.signal(number, _noted) for number in heard}
    previous = signal.set_wakeup_fd(sender.fileno())
    try:
        yield receiver
    finally:
        signal.set_wakeup_fd(previous)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        receiver.close()
        sender.close()


def _noted(number: int, frame: FrameType | None) -> None:
    """Do nothing: the number is on the socket already."""
