"""The keys file: what is written comes back, what is revoked does not, and nothing of a key lies in it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from service.keys import FILE_LIMIT_BYTES, KeysFault, Scope, add_key, is_secret_of, read_keys, revoke_key, split_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fieldmark.keys"


def test_a_key_that_was_added_is_known_by_its_id_and_its_secret(path: Path) -> None:
    text = add_key(path, "laptop", [Scope.ADMIN, Scope.INFER, Scope.INFER])
    key_id, secret = split_key(text) or ("", "")
    (key,) = read_keys(path).values()
    assert (key.id, key.name, key.scopes) == (key_id, "laptop", (Scope.INFER, Scope.ADMIN))
    assert is_secret_of(key, secret)
    assert not is_secret_of(key, secret[::-1])


def test_the_file_is_its_owners_and_tells_no_secret(path: Path) -> None:
    texts = [add_key(path, name, [Scope.INFER]) for name in ("one", "two")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_text()
    assert [text for text in texts if text.split("_", 2)[2] in content] == []
    one, two = read_keys(path).values()
    assert one.salt != two.salt


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_revoked_key_is_gone_and_its_name_is_free_again(path: Path, by: str) -> None:
    add_key(path, "laptop", [Scope.INFER])
    add_key(path, "camera", [Scope.INFER])
    laptop = next(iter(read_keys(path).values()))
    assert revoke_key(path, getattr(laptop, by)) == laptop
    assert [key.name for key in read_keys(path).values()] == ["camera"]
    add_key(path, "laptop", [Scope.INFER])
    with pytest.raises(KeysFault, match=r"no key 'phone' in .*\. Known: camera, laptop\."):
        revoke_key(path, "phone")


@pytest.mark.parametrize("name", ["", "x" * 65, " laptop", "two\nlines"])
def test_a_name_is_short_and_printable(path: Path, name: str) -> None:
    with pytest.raises(KeysFault, match="1 to 64 printable characters"):
        add_key(path, name, [Scope.INFER])
    assert not path.exists()


def test_a_name_is_given_once(path: Path) -> None:
    add_key(path, "laptop", [Scope.INFER])
    with pytest.raises(KeysFault, match="a key named 'laptop' already"):
        add_key(path, "laptop", [Scope.INFER])


def test_half_a_line_of_a_crash_is_not_read_and_is_cut_off(path: Path) -> None:
    add_key(path, "laptop", [Scope.INFER])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    assert [key.name for key in read_keys(path).values()] == ["laptop"]
    add_key(path, "camera", [Scope.INFER])
    assert [key.name for key in read_keys(path).values()] == ["laptop", "camera"]
    assert path.read_bytes().startswith(whole)


def test_a_change_keeps_the_file_that_a_container_has_mounted(path: Path) -> None:
    add_key(path, "laptop", [Scope.INFER])
    before = path.stat().st_ino
    add_key(path, "camera", [Scope.INFER])
    revoke_key(path, "laptop")
    assert path.stat().st_ino == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{}\n", "Line 1 of the keys file .* cannot be read"),
        (b'{"event":"revoked","id":"1","at":"2026-01-01T00:00:00Z","why":"x"}\n', "Line 1 .* unknown field `why`"),
        ('{"event":"revoked","id":"Müller"}\n'.encode("latin-1"), "Line 1 of the keys file .* cannot be read"),
        (bytes(FILE_LIMIT_BYTES + 1), f"larger than {FILE_LIMIT_BYTES} bytes"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused(path: Path, content: bytes, sentence: str) -> None:
    path.write_bytes(content)
    with pytest.raises(KeysFault, match=sentence):
        read_keys(path)


def test_a_full_file_takes_no_more(path: Path) -> None:
    add_key(path, "laptop", [Scope.INFER])
    (line,) = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(line * (FILE_LIMIT_BYTES // len(line)))
    with pytest.raises(KeysFault, match="is full: 1048576 bytes are the most"):
        add_key(path, "camera", [Scope.INFER])


def test_a_file_that_is_not_there_is_one_sentence(path: Path) -> None:
    with pytest.raises(KeysFault, match=r"cannot be read: No such file or directory\."):
        read_keys(path)
    with pytest.raises(KeysFault, match=r"cannot be changed: No such file or directory\."):
        revoke_key(path, "laptop")


@pytest.mark.parametrize("text", ["", "fm_", "laptop", "fm_0123456_" + "a" * 43, "fm_01234567_" + "a" * 42 + "\u00e4"])
def test_what_has_not_the_form_of_a_key_is_none(text: str) -> None:
    assert split_key(text) is None
