import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings

Run = Callable[..., Any]


def test_each_setting_is_shown_with_its_origin(fieldmark: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIELDMARK_PORT", "9000")
    (tmp_path / "fieldmark.toml").write_text("lanes = 3\n")

    result = fieldmark("settings", "--json")
    rows = {row["name"]: row for row in map(json.loads, result.out.splitlines())}
    assert (result.status, list(rows)) == (0, list(Settings.model_fields))
    assert (rows["port"]["value"], rows["port"]["origin"]) == ("9000", "environment")
    assert (rows["lanes"]["value"], rows["lanes"]["origin"]) == ("3", "fieldmark.toml")

    table = fieldmark("settings").out
    assert "fieldmark.toml" in table
    assert all(name in table for name in Settings.model_fields)


def test_an_impossible_setting_is_one_sentence_and_exit_status_2(
    fieldmark: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIELDMARK_PORT", "x")
    result = fieldmark("settings")
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("fieldmark: port = 'x' (environment): it must be a whole number")
