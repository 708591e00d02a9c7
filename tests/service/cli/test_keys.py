"""`fieldmark keys`: the key alone on stdout, sentences on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIELDMARK_KEYS_FILE", str(tmp_path / "fieldmark.keys"))
    return tmp_path / "fieldmark.keys"


def test_a_key_is_added_listed_and_revoked(fieldmark: Run, path: Path) -> None:
    added = fieldmark("keys", "add", "laptop")
    assert added.status == 0
    assert added.out.startswith("fm_")
    assert len(added.out.splitlines()) == 1
    assert str(path) in added.err
    fieldmark("keys", "add", "operator", "--scope", "admin", "--scope", "infer")
    rows = [json.loads(line) for line in fieldmark("keys", "list", "--json").out.splitlines()]
    assert [(row["name"], row["scopes"]) for row in rows] == [("laptop", ["infer"]), ("operator", ["infer", "admin"])]
    assert set(rows[0]) == {"id", "name", "scopes", "added"}
    assert fieldmark("keys", "revoke", "laptop").err == f"laptop ({rows[0]['id']}) is revoked.\n"
    table = fieldmark("keys", "list").out
    assert "operator" in table
    assert "laptop" not in table


def test_a_file_is_named_by_an_option_too(fieldmark: Run, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other.keys"
    assert fieldmark("keys", "add", "laptop", "--keys-file", elsewhere).status == 0
    assert elsewhere.is_file()


def test_a_file_must_be_named(fieldmark: Run) -> None:
    result = fieldmark("keys", "list")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("fieldmark: Which file? Name it by --keys-file")


def test_an_unknown_key_is_one_sentence(fieldmark: Run, path: Path) -> None:
    fieldmark("keys", "add", "laptop")
    result = fieldmark("keys", "revoke", "phone")
    assert (result.status, result.err) == (1, f"fieldmark: There is no key 'phone' in {path}. Known: laptop.\n")


@pytest.mark.parametrize("command", ["add", "list", "revoke"])
def test_the_help_says_that_the_file_is_needed_and_where_else_it_may_be_named(command: str, fieldmark: Run) -> None:
    shown = " ".join(fieldmark("keys", command, "--help").out.split())
    assert "The keys file; by default the one that FIELDMARK_KEYS_FILE or keys_file in fieldmark.toml names." in shown
    assert "none: whoever" not in shown
