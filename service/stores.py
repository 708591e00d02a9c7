"""Which folders of bundles are meant: those that were named, else the zoo beside the code in a checkout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import models
from models.manifest import MANIFEST_NAME

#: Where a checkout keeps the shipped bundles; a wheel leaves it out.
ZOO = Path(models.__file__).parent / "zoo"


class StoreMissing(Exception):
    """There is no folder of bundles to use; the text says what to do."""


def resolve_stores(named: Sequence[Path], zoo: Path = ZOO) -> tuple[Path, ...]:
    """Give the stores as absolute folders.

    Raises:
        StoreMissing: one that was named is not a folder, or none was named and there is no zoo with bundles.
    """
    for store in named:
        if not store.is_dir():
            raise StoreMissing(f"--store {store}: there is no such folder.")
    if named:
        return tuple(store.resolve() for store in named)
    if next(zoo.glob(f"*/*/{MANIFEST_NAME}"), None) is None:
        raise StoreMissing("There are no bundles beside the code: name a folder of bundles with --store.")
    return (zoo,)
