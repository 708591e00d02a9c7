"""Where requests come in: two listening sockets, and the keys that are asked for.

The public one is for clients. The internal one is for whoever runs the service: figures, readiness in full,
administration. It listens on this machine alone unless told otherwise.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from service.gateway.keyring import KeyRing
from service.settings import Settings

BACKLOG = 2048


class DoorShut(Exception):
    """A socket cannot be opened; the text is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Doors:
    """The sockets, which listen already; without a `ring` no key is asked for."""

    public: socket.socket
    internal: socket.socket
    ring: KeyRing | None = None


def open_doors(settings: Settings) -> Doors:
    """Open what the settings name.

    Raises:
        DoorShut: an address cannot be listened on.
        KeysFault: the keys file cannot be used.
    """
    ring = KeyRing(settings.keys_file) if settings.keys_file is not None else None
    public = _open(settings.host, settings.port)
    try:
        return Doors(public, _open(*settings.internal_address), ring)
    except DoorShut:
        public.close()
        raise


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 lets the system choose.

    Its protocol is named, not left at 0: asyncio turns Nagle's algorithm off only where it reads TCP there, and with it
    on every answer waits some 40 ms for the client's delayed acknowledgement.

    Raises:
        OSError: the address is taken, unknown or not allowed.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _open(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        raise DoorShut(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error
