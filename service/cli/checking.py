"""`fieldmark models check`: what is wrong with bundles, all of it.

Owns which folders are meant and the rule that no single bundle can show: one default a domain. The faults of one bundle
are found by `models/manifest.py` and, once its files hold, by loading it as the worker does, in every arithmetic it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from models.manifest import MANIFEST_NAME, BundleError, Manifest, read_manifest
from service.cli.options import CommandFailed
from service.engine.backends.base import StartError
from service.engine.loader import Loader
from service.engine.store import find_bundles


class Checked(msgspec.Struct, frozen=True):
    """One bundle's folder and its faults."""

    path: str
    faults: list[str]


def check_folder(folder: Path, *, admit_fakes: bool = False) -> Iterator[Checked]:
    """Check a bundle, or every bundle of a store.

    Raises:
        CommandFailed: the folder holds no bundle, or no graph can be loaded here.
    """
    folders = [folder] if (folder / MANIFEST_NAME).is_file() else _bundles_below(folder)
    exact, int8 = Loader(testing_backends=admit_fakes), Loader(arithmetic="int8", testing_backends=admit_fakes)
    defaults: dict[str, str] = {}
    for bundle in folders:
        faults = _load_faults(exact, bundle)
        manifest = _manifest_of(bundle)
        if manifest is not None and manifest.int8 is not None and not faults:
            faults = [f"in 8 bits: {fault}" for fault in _load_faults(int8, bundle)]
        if manifest is not None and manifest.default:
            subject = f"{manifest.task}/{manifest.domain or ''}"
            other = defaults.setdefault(subject, manifest.name)
            if other != manifest.name:
                faults.append(f"{other} is the default of {subject} already")
        yield Checked(str(bundle), faults)


def _bundles_below(store: Path) -> list[Path]:
    found = [place.folder for place in find_bundles([store])] if store.is_dir() else []
    if not found:
        raise CommandFailed(f"{store} holds no bundle: name a folder name/version, or a store of such folders.")
    return found


def _load_faults(loader: Loader, bundle: Path) -> list[str]:
    try:
        loader.load(bundle.resolve())
    except BundleError as error:
        return list(error.faults)
    except StartError as error:
        raise CommandFailed(str(error)) from error
    return []


def _manifest_of(bundle: Path) -> Manifest | None:
    try:
        return read_manifest(bundle)
    except BundleError:
        return None
