"""Folders of bundles: what is found, and which version answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.engine.store import choose_version, find_bundles, read_pins


def test_versions_sort_by_pep_440_and_what_is_none_comes_last(tmp_path: Path) -> None:
    for place in (
        "birds/1.10.0",
        "birds/1.9.0",
        "birds/2.0.0rc1",
        "birds/newest",
        "ants/0.1",
        "birds/.cache",
        ".git/1",
    ):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "LICENSE").touch()
    found = [f"{place.name}@{place.version}" for place in find_bundles([tmp_path])]
    assert found == ["ants@0.1", "birds@2.0.0rc1", "birds@1.10.0", "birds@1.9.0", "birds@newest"]


def test_the_first_store_that_holds_a_version_wins(tmp_path: Path) -> None:
    for place in ("one/birds/1.0", "two/birds/1.0", "two/birds/2.0"):
        (tmp_path / place).mkdir(parents=True)
    found = find_bundles([tmp_path / "one", tmp_path / "two"])
    assert [place.folder.relative_to(tmp_path).as_posix() for place in found] == ["two/birds/2.0", "one/birds/1.0"]


def test_the_first_stores_default_file_wins(tmp_path: Path) -> None:
    for store, version in (("one", "1.0\n"), ("two", "2.0\n")):
        (tmp_path / store / "birds").mkdir(parents=True)
        (tmp_path / store / "birds" / "default").write_text(version)
    assert read_pins([tmp_path / "one", tmp_path / "two"]) == {"birds": "1.0"}


@pytest.mark.parametrize(("pin", "chosen"), [(None, "1.10.0"), ("1.9.0", "1.9.0"), ("3.0.0", "1.10.0")])
def test_the_pinned_version_answers_where_it_is_there(pin: str | None, chosen: str) -> None:
    assert choose_version(["1.9.0", "1.10.0"], pin) == chosen


def test_a_folder_that_may_not_be_read_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "birds" / "1.0").mkdir(parents=True)
    (tmp_path / "lost+found").mkdir()
    listed, looked_at = Path.iterdir, Path.stat

    def list_folder(path: Path) -> Iterator[Path]:
        if path.name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    def look_at(path: Path, **options: Any) -> os.stat_result:
        if path.parent.name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return looked_at(path, **options)

    monkeypatch.setattr(Path, "iterdir", list_folder)
    monkeypatch.setattr(Path, "stat", look_at)
    assert [place.version for place in find_bundles([tmp_path])] == ["1.0"]
    assert read_pins([tmp_path]) == {}
