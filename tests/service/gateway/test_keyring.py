"""The gateway's key ring: a slow check once, then a fast one; changes of the file; bounds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from service import keys
from service.errors import Overloaded, Unauthorized
from service.gateway import keyring
from service.gateway.keyring import LOOK_EVERY_S, KeyRing
from service.keys import KeysFault, Scope, add_key, read_keys, revoke_key

Check = Callable[[str], keys.Key]


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fieldmark.keys"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The secrets that were hashed, in order; the hash is a quick one."""
    hashed: list[str] = []

    def quick(secret: str, salt: bytes) -> bytes:
        hashed.append(secret)
        return salt + secret.encode()

    monkeypatch.setattr(keys, "hash_secret", quick)
    return hashed


def bearer(text: str) -> bytes:
    return f"Bearer {text}".encode()


def test_a_key_is_hashed_once_and_then_known(path: Path, checks: list[str]) -> None:
    text = add_key(path, "laptop", [Scope.INFER])
    ring = KeyRing(path)
    checks.clear()
    assert ring.recall(bearer(text)) is None
    assert asyncio.run(ring.check(bearer(text))).name == "laptop"
    known = ring.recall(b"bearer  " + text.encode())
    assert known is not None
    assert known.name == "laptop"
    assert len(checks) == 1


@pytest.mark.parametrize(
    "header", [None, b"", b"Bearer", b"Basic eDp5", b"Bearer \xff\xfe", b"Bearer fm_01234567_" + b"a" * 43]
)
def test_nobodys_key_is_refused_without_a_hash(path: Path, checks: list[str], header: bytes | None) -> None:
    add_key(path, "laptop", [Scope.INFER])
    ring = KeyRing(path)
    checks.clear()
    with pytest.raises(Unauthorized) as refused:
        asyncio.run(ring.check(header))
    assert (refused.value.challenge or "").startswith('Bearer realm="fieldmark"')
    assert checks == []


def test_a_wrong_secret_is_hashed_once(path: Path, checks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "REJECTED_LIMIT", 2)
    text = add_key(path, "laptop", [Scope.INFER])
    ring = KeyRing(path)
    checks.clear()
    wrong = [text[:-3] + end for end in ("AAA", "AAA", "BBB", "CCC", "CCC", "AAA")]
    for one in wrong:
        with pytest.raises(Unauthorized):
            asyncio.run(ring.check(bearer(one)))
    assert [secret[-3:] for secret in checks] == ["AAA", "BBB", "CCC", "AAA"], (
        "the oldest of more than two is forgotten"
    )


def test_the_file_is_read_again_when_it_has_changed(path: Path, checks: list[str]) -> None:
    clock = Clock()
    text = add_key(path, "laptop", [Scope.INFER])
    ring = KeyRing(path, clock)
    asyncio.run(ring.check(bearer(text)))
    revoke_key(path, "laptop")
    clock.now = LOOK_EVERY_S - 0.1
    assert ring.recall(bearer(text)) is not None, "not looked at yet"
    clock.now = LOOK_EVERY_S
    assert ring.recall(bearer(text)) is None
    with pytest.raises(Unauthorized):
        asyncio.run(ring.check(bearer(text)))
    again = add_key(path, "laptop", [Scope.INFER])
    clock.now = 2 * LOOK_EVERY_S
    ring.recall(None)
    assert asyncio.run(ring.check(bearer(again))).name == "laptop"


@pytest.mark.parametrize("harm", [lambda path: path.write_text("rubbish\n"), os.remove])
def test_a_file_that_breaks_leaves_the_keys_as_they_are(
    path: Path, checks: list[str], harm: Callable[[Path], object]
) -> None:
    clock = Clock()
    text = add_key(path, "laptop", [Scope.INFER])
    ring = KeyRing(path, clock)
    asyncio.run(ring.check(bearer(text)))
    harm(path)
    clock.now = LOOK_EVERY_S
    assert ring.recall(bearer(text)) is not None


def test_a_revocation_that_could_not_be_read_is_read_later(
    path: Path, checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    text = add_key(path, "laptop", [Scope.INFER])
    ring = KeyRing(path, clock)
    asyncio.run(ring.check(bearer(text)))
    revoke_key(path, "laptop")

    def fail(path: Path) -> dict[str, keys.Key]:
        raise KeysFault(f"The keys file {path} cannot be read: Too many open files.")

    with monkeypatch.context() as patched:
        patched.setattr(keyring, "read_keys", fail)
        clock.now = LOOK_EVERY_S
        assert ring.recall(bearer(text)) is not None
    clock.now = 2 * LOOK_EVERY_S
    assert ring.recall(bearer(text)) is None


def test_a_key_that_is_revoked_while_it_is_checked_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    text = add_key(path, "laptop", [Scope.INFER])
    ring = KeyRing(path, clock)

    def check_slowly(_key: keys.Key, _secret: str) -> bool:
        revoke_key(path, "laptop")
        clock.now = LOOK_EVERY_S
        ring.recall(None)
        return True

    monkeypatch.setattr(keyring, "is_secret_of", check_slowly)
    with pytest.raises(Unauthorized):
        asyncio.run(ring.check(bearer(text)))
    assert ring.recall(bearer(text)) is None
    assert read_keys(path) == {}


def test_few_wait_for_their_check_and_the_same_key_is_checked_once(
    path: Path, checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "WAITING_LIMIT", 3)
    text = add_key(path, "laptop", [Scope.INFER])
    ring = KeyRing(path)
    checks.clear()

    async def ask_at_once() -> list[object]:
        return list(await asyncio.gather(*(ring.check(bearer(text)) for _ in range(4)), return_exceptions=True))

    *answered, refused = asyncio.run(ask_at_once())
    assert [getattr(key, "name", key) for key in answered] == ["laptop"] * 3
    assert isinstance(refused, Overloaded)
    assert refused.retry_after_s == 1
    assert len(checks) == 1
