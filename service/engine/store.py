"""Folders of bundles: which versions there are, and which of them answers for a name.

A store holds `<name>/<version>/`; of several stores the first that holds a version wins. Versions sort by PEP 440, the
highest answers for its name unless a file `<name>/default` names another. Owns the reading of folders; loading is
`bundle.py`'s part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

DEFAULT_NAME = "default"
_DEFAULT_BYTES_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that should hold a bundle."""

    folder: Path

    @property
    def name(self) -> str:
        """Name of the bundle, by its place."""
        return self.folder.parent.name

    @property
    def version(self) -> str:
        """Version of the bundle, by its place."""
        return self.folder.name


def find_bundles(stores: Sequence[Path]) -> list[Place]:
    """Every version of every name, by name; versions of one name from the highest down, what is none at the end."""
    places: dict[tuple[str, str], Place] = {}
    for store in stores:
        for name in _folders(store):
            for version in _folders(name):
                places.setdefault((name.name, version.name), Place(version))
    found = sorted(places.values(), key=lambda place: _sort_key(place.version), reverse=True)
    return sorted(found, key=lambda place: place.name)


def read_pins(stores: Sequence[Path]) -> dict[str, str]:
    """The versions that `default` files name, by bundle name; the first store's file wins."""
    pins: dict[str, str] = {}
    for store in stores:
        for name in _folders(store):
            pin = name / DEFAULT_NAME
            with contextlib.suppress(PermissionError):
                if pin.is_file() and name.name not in pins:
                    pins[name.name] = pin.read_bytes()[:_DEFAULT_BYTES_LIMIT].decode(errors="replace").strip()
    return pins


def choose_version(versions: Iterable[str], pin: str | None) -> str:
    """The version that answers for a name: the pinned one where it is there, else the highest."""
    candidates = list(versions)
    return pin if pin in candidates else max(candidates, key=_sort_key)


def _folders(parent: Path) -> list[Path]:
    """The folders in a folder; none where it may not be read, such as the `lost+found` of a volume."""
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
    except PermissionError:
        return []


def _sort_key(version: str) -> tuple[bool, Version]:
    try:
        return True, Version(version)
    except InvalidVersion:
        return False, Version("0")
