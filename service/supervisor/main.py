"""`fieldmark serve`: the start-up order and the shutdown order, each readable from top to bottom.

Start: resolve the stores, refuse what could not work, make the private folder of the bus, start gateway and workers side
by side, say the address once all are ready. End: the gateway stops accepting, finishes and leaves; the workers follow;
the folder goes. The exit status is 0 after an ordered end and 1 with one sentence otherwise.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from service.bus.folder import NAME_BYTES, HeldFolder, fresh_socket, remove_abandoned
from service.logs import get_logger, is_text
from service.machine import visible_gpus
from service.settings import Settings, unknown_variables
from service.status import StartReason
from service.stores import StoreMissing, resolve_stores
from service.supervisor.checks import StartRefused, check_start
from service.supervisor.child import ChildProcess, Role, child_command, child_environment, start_child
from service.supervisor.loop import Loop
from service.supervisor.supervision import Supervision

#: The longest path of a Unix socket that Linux takes (unix(7)), less the terminating zero.
SOCKET_PATH_LIMIT = 107

log = get_logger()


def serve(settings: Settings) -> int:
    """Run the service until it is told to end; gives the exit status."""
    for name, meant in unknown_variables():
        log.warning("unknown_variable", name=name, did_you_mean=meant)
    try:
        settings = settings.model_copy(update={"store": resolve_stores(settings.store)})
        check_start(settings)
        with bus_socket(settings.socket) as socket_path:
            return _run(settings.model_copy(update={"socket": socket_path}))
    except (StoreMissing, StartRefused) as refusal:
        _say_failure(str(refusal))
        return 1


def _run(settings: Settings) -> int:
    loop = Loop()
    gpus = place_workers(settings.workers, visible_gpus() if settings.device != "cpu" else ())

    def start(role: Role, index: int, reason: StartReason) -> ChildProcess:
        pinned = settings
        if supervision.address is not None:
            _, port, internal_port = supervision.address
            pinned = settings.model_copy(update={"port": port, "internal_port": internal_port})
        child = start_child(
            child_command(role, index, reason), child_environment(pinned, role, gpus[index], os.environ)
        )
        loop.watch(child)
        return child

    supervision = Supervision(
        settings, len(gpus), start, time.monotonic, lambda *address: _say_ready(settings, *address)
    )
    status = loop.run(supervision)
    if supervision.failure:
        _say_failure(supervision.failure)
    return status


def place_workers(workers: int | None, gpus: Sequence[str]) -> list[str | None]:
    """Give each worker its GPU; None leaves the choice to the worker. Unless told otherwise there is one a GPU, else one."""
    if not gpus:
        return [None] * (workers or 1)
    return [gpus[index % len(gpus)] for index in range(workers or len(gpus))]


@contextmanager
def bus_socket(named: Path | None) -> Iterator[Path]:
    """Give the path of the bus's socket: the named one, or a fresh one in a folder that only this user can enter.

    The folder stands where the system keeps such things, or in /tmp where that path is too long for a socket. Those that
    services left behind which were killed are removed.

    Raises:
        StartRefused: the named path is too long.
    """
    if named is not None:
        if len(os.fsencode(named)) > SOCKET_PATH_LIMIT:
            raise StartRefused(f"The path of the socket, {named}, is longer than {SOCKET_PATH_LIMIT} bytes.")
        yield named
        return
    root = _runtime_root()
    if removed := remove_abandoned(root):
        log.info("abandoned_folders_removed", count=removed)
    path = fresh_socket(root)
    folder = HeldFolder(path.parent)
    try:
        yield path
    finally:
        folder.close()


def _runtime_root() -> Path:
    for root in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir()):
        if os.access(root, os.W_OK | os.X_OK) and len(os.fsencode(root)) + NAME_BYTES <= SOCKET_PATH_LIMIT:
            return Path(root)
    return Path("/tmp")  # noqa: S108 - the folder in it is fresh, and for this user alone


def _say_ready(settings: Settings, host: str, port: int, internal_port: int) -> None:
    url, internal = _url(host, port), _url(settings.internal_host, internal_port)
    if is_text(settings):
        sys.stderr.write(
            f"Fieldmark is ready on {url} (its documentation: {url}/docs, its figures: {internal}/metrics)\n"
        )
    else:
        log.info("ready", url=url, internal=internal)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _say_failure(sentence: str) -> None:
    sys.stderr.write(f"fieldmark: {sentence}\n")
