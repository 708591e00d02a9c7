"""Which key a request brings: checked once by its slow hash, known again by a fast one.

Owns what the gateway holds of the keys file: the keys in force, read again within a second of a change, and which texts
were found to be a key's or nobody's. A key that was checked is found by a digest under a random key of this process, so
that a request costs a digest, and neither a dump of the process's memory nor the time of a look-up tells a key.

Checks run one at a time beside the event loop, and few may wait: who sends wrong keys takes one core at most, and
nothing from those whose keys are known.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from service.errors import Overloaded, Unauthorized
from service.keys import Key, KeysFault, is_secret_of, read_keys, split_key
from service.logs import get_logger

LOOK_EVERY_S = 1.0
#: Texts that are known to be nobody's key; the oldest is forgotten first.
REJECTED_LIMIT = 1024
#: Requests whose key waits to be checked.
WAITING_LIMIT = 32

_CHALLENGE = 'Bearer realm="fieldmark"'
_SCHEME = b"bearer "
_DIGEST_BYTES = 16

_log = get_logger(part="keys")


class KeyRing:
    """The keys of a file. `clock` gives seconds of the host's monotonic clock.

    Raises:
        KeysFault: the file cannot be read now. One that cannot be read later leaves the keys as they are until it can.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._seen = _state_of(path)
        self._keys = read_keys(path)
        self._fault = ""  # why the file cannot be read, which is logged once
        self._look_at = clock() + LOOK_EVERY_S
        self._secret = secrets.token_bytes(32)
        self._verified: dict[bytes, Key] = {}  # at most one a key of the file
        self._rejected: dict[bytes, None] = {}
        self._turn = asyncio.Lock()
        self._waiting = 0

    def recall(self, header: bytes | None) -> Key | None:
        """Give the key of an `Authorization` header, if it was checked before."""
        if self._clock() >= self._look_at:
            self._look_again()
        return None if header is None else self._verified.get(self._digest(_token(header)))

    async def check(self, header: bytes | None) -> Key:
        """Give the key of a header that is not known yet.

        Raises:
            Unauthorized: there is no key, or nobody's.
            Overloaded: too many others wait to be checked.
        """
        if header is None:
            raise Unauthorized("Send a key as 'Authorization: Bearer fm_...'.", challenge=_CHALLENGE)
        token = _token(header)
        parts = split_key(token.decode("ascii", errors="replace"))
        digest = self._digest(token)
        if parts is None or parts[0] not in self._keys or digest in self._rejected:
            raise _unknown()
        if self._waiting >= WAITING_LIMIT:
            raise Overloaded(f"{WAITING_LIMIT} requests wait for their keys to be checked.", retry_after_s=1)
        self._waiting += 1
        try:
            async with self._turn:
                return self._verified.get(digest) or await self._verify(digest, *parts)
        finally:
            self._waiting -= 1

    async def _verify(self, digest: bytes, key_id: str, secret: str) -> Key:
        key = self._keys.get(key_id)
        if key is not None and digest not in self._rejected:
            is_right = await asyncio.to_thread(is_secret_of, key, secret)
            if is_right and self._keys.get(key_id) == key:  # it may have been revoked meanwhile
                self._verified[digest] = key
                return key
            if not is_right:
                self._reject(digest)
        raise _unknown()

    def _reject(self, digest: bytes) -> None:
        if len(self._rejected) >= REJECTED_LIMIT:
            del self._rejected[next(iter(self._rejected))]
        self._rejected[digest] = None

    def _look_again(self) -> None:
        """Read the file again if it has changed since it could be read; what was checked against the old one is forgotten."""
        self._look_at = self._clock() + LOOK_EVERY_S
        state = _state_of(self._path)
        if state == self._seen:
            self._fault = ""
            return
        try:
            self._keys = read_keys(self._path)
        except KeysFault as fault:
            if str(fault) != self._fault:
                self._fault = str(fault)
                _log.error("keys_kept", fault=self._fault, keys=len(self._keys))
            return
        self._seen, self._fault = state, ""
        self._verified.clear()
        self._rejected.clear()
        _log.info("keys_read", keys=len(self._keys))

    def _digest(self, token: bytes) -> bytes:
        return blake2b(token, key=self._secret, digest_size=_DIGEST_BYTES).digest()


def _token(header: bytes) -> bytes:
    """The text after the scheme's name (RFC 6750, section 2.1); nothing where the scheme is another."""
    return header[len(_SCHEME) :].strip() if header[: len(_SCHEME)].lower() == _SCHEME else b""


def _unknown() -> Unauthorized:
    return Unauthorized("The key is not known, or was revoked.", challenge=f'{_CHALLENGE}, error="invalid_token"')


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """What changes with a file's content; None while there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
