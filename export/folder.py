"""The folder of a new bundle: filled under a hidden name, and under its own only when all of it holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packaging.version import InvalidVersion, Version

from models.manifest import parse_model_name
from models.training.data import DataError


@contextmanager
def new_bundle(store: Path, name: str, version: str) -> Iterator[tuple[Path, Path]]:
    """Give the folder to fill, and the one that it becomes when the block ends without an error.

    The folder to fill ends in `name/version` too, since a bundle's check compares its manifest with where it lies.

    Raises:
        DataError: the version exists, or name or version are such as no bundle has.
    """
    _check_identity(name, version)
    folder = store / name / version
    if folder.exists():
        raise DataError(f"{folder} exists; a version is never overwritten, choose a higher one")
    hidden = folder.with_name(f".{version}.partial")
    shutil.rmtree(hidden, ignore_errors=True)
    partial = hidden / name / version
    partial.mkdir(parents=True)
    try:
        yield partial, folder
        partial.rename(folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _check_identity(name: str, version: str) -> None:
    """Find out at once what the manifest, which is written last, would not take."""
    try:
        Version(version)
    except InvalidVersion as error:
        raise DataError(f"version {version!r} is none of PEP 440; write one such as 1.0.0") from error
    try:
        parse_model_name(f"{name}@{version}")
    except ValueError as error:
        raise DataError(
            f"name {name!r} cannot be a bundle's: it has up to 64 of a-z, 0-9, _, . and -, and begins with a letter or digit"
        ) from error
