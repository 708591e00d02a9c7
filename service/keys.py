"""The keys file: who may ask the service, and for what.

A journal of JSON lines, one for each key that was added and one for each that was revoked; lines are only ever appended.
So a change is one write to the file that is there, which a container that has it mounted sees too, and what a crash may
leave is half a line at the end, which is not read and is cut off by the next change.

A key is `fm_<id>_<secret>`. The id is no secret and finds the line; of the secret, 256 random bits, the file has a salted
hash (scrypt, RFC 7914). Owns the file and the comparison; what a key opens is decided where it is asked for.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import msgspec

FILE_LIMIT_BYTES: Final = 1 << 20
NAME_LIMIT: Final = 64

_SALT_BYTES = 16
_SECRET_BYTES = 32
_HASH_BYTES = 32
#: The interactive parameters of scrypt's author: 16 MiB of memory, some 50 ms. A guess at 256 random bits needs no such
#: brake; it is there for whoever puts a secret of their own choice into the file.
_COST, _BLOCK, _LANES = 1 << 14, 8, 1
_FORM = re.compile(r"fm_(?P<id>[0-9a-f]{8})_(?P<secret>[A-Za-z0-9_-]{43})", re.ASCII)


class Scope(StrEnum):
    """What a key opens: questions and what is served, or the service's own affairs."""

    INFER = "infer"
    ADMIN = "admin"


class KeysFault(Exception):
    """The keys file cannot be used or changed; the text is one sentence for a person."""


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="added"):
    """A key as the file has it. `digest` is the hash of its secret with `salt`."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    at: datetime
    salt: bytes
    digest: bytes


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="event", tag="revoked"):
    """The end of a key."""

    id: str
    at: datetime


Event = TypeVar("Event", Key, Revocation)


def read_keys(path: Path) -> dict[str, Key]:
    """Read the keys that are in force, by id, in the order in which they were added.

    Raises:
        KeysFault: there is no such file, it is too large, or a line of it is none of ours.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise KeysFault(f"The keys file {path} cannot be read: {error.strerror}.") from error
    return _fold(path, content)


def add_key(path: Path, name: str, scopes: Iterable[Scope]) -> str:
    """Add a key to a file, which is made where there is none, and give the key; it is kept nowhere.

    Raises:
        KeysFault: the file cannot be used, the name is taken or no name.
    """
    if not (1 <= len(name) <= NAME_LIMIT and name.isprintable() and name.strip() == name):
        raise KeysFault(f"A key's name has 1 to {NAME_LIMIT} printable characters; {name[:NAME_LIMIT]!r} is none.")
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hash_secret(secret, salt)

    def write(keys: dict[str, Key]) -> Key:
        if any(key.name == name for key in keys.values()):
            raise KeysFault(f"There is a key named {name!r} already: revoke it, or take another name.")
        fresh = next(one for one in iter(lambda: secrets.token_hex(4), "") if one not in keys)
        return Key(fresh, name, tuple(sorted(set(scopes), key=list(Scope).index)), _now(), salt, digest)

    added = _append(path, write, os.O_CREAT)
    return f"fm_{added.id}_{secret}"


def revoke_key(path: Path, named: str) -> Key:
    """Revoke a key by its name or id, and give what it was.

    Raises:
        KeysFault: there is no such key, or the file cannot be used.
    """
    found: list[Key] = []

    def write(keys: dict[str, Key]) -> Revocation:
        found.extend(key for key in keys.values() if named in (key.name, key.id))
        if not found:
            known = ", ".join(key.name for key in keys.values()) or "none"
            raise KeysFault(f"There is no key {named!r} in {path}. Known: {known}.")
        return Revocation(found[0].id, _now())

    _append(path, write)
    return found[0]


def split_key(text: str) -> tuple[str, str] | None:
    """Take a key apart into id and secret; None where it has not the form of one."""
    form = _FORM.fullmatch(text)
    return (form["id"], form["secret"]) if form else None


def is_secret_of(key: Key, secret: str) -> bool:
    """Tell whether this is the key's secret; takes as long for a wrong one as for the right one."""
    return hmac.compare_digest(hash_secret(secret, key.salt), key.digest)


def hash_secret(secret: str, salt: bytes) -> bytes:
    """Hash a secret as the file has it. Other threads run meanwhile."""
    return hashlib.scrypt(secret.encode(), salt=salt, n=_COST, r=_BLOCK, p=_LANES, dklen=_HASH_BYTES)


def _fold(path: Path, content: bytes) -> dict[str, Key]:
    """Replay a journal; what comes after its last line end is not there yet."""
    if len(content) > FILE_LIMIT_BYTES:
        raise KeysFault(f"The keys file {path} is larger than {FILE_LIMIT_BYTES} bytes.")
    keys: dict[str, Key] = {}
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            event = msgspec.json.decode(line, type=Key | Revocation)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise KeysFault(
                f"Line {number} of the keys file {path} cannot be read: mend or remove it ({error})."
            ) from None
        if isinstance(event, Key):
            keys[event.id] = event
        else:
            keys.pop(event.id, None)
    return keys


def _append(path: Path, write: Callable[[dict[str, Key]], Event], flags: int = 0) -> Event:
    """Append the event that `write` makes of the keys in force, alone among all who change the file."""
    with _locked(path, flags) as descriptor:
        content = os.pread(descriptor, FILE_LIMIT_BYTES + 1, 0)
        event = write(_fold(path, content))
        whole = content.rfind(b"\n") + 1
        line = msgspec.json.encode(event) + b"\n"
        if whole + len(line) > FILE_LIMIT_BYTES:
            raise KeysFault(f"The keys file {path} is full: {FILE_LIMIT_BYTES} bytes are the most. Begin another.")
        os.ftruncate(descriptor, whole)
        os.write(descriptor, line)
        os.fsync(descriptor)
    return event


@contextmanager
def _locked(path: Path, flags: int) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)
    except OSError as error:
        raise KeysFault(f"The keys file {path} cannot be changed: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
