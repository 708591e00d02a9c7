from pathlib import Path

import pytest

from service.stores import StoreMissing, resolve_stores


def test_named_stores_are_taken_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_stores([Path("b"), Path("a")]) == (tmp_path / "b", tmp_path / "a")


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match=f"--store {tmp_path}/none: there is no such folder"):
        resolve_stores([tmp_path, tmp_path / "none"])


def test_without_a_name_the_zoo_of_the_checkout_is_taken(tmp_path: Path) -> None:
    bundle = tmp_path / "birds" / "1.0.0"
    bundle.mkdir(parents=True)
    (bundle / "manifest.json").touch()
    assert resolve_stores([], zoo=tmp_path) == (tmp_path,)


def test_without_a_name_and_without_bundles_the_option_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").touch()
    with pytest.raises(StoreMissing, match="--store"):
        resolve_stores([], zoo=tmp_path)
