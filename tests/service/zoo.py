"""A store as a service has it: a domain with a bundle of each system, a second domain, and a router between them.

All tell colours apart (`tests.bundles`, `tests.system_bundles`): a red photo is `Red`, and the router takes a red photo for
the first domain, a green one for the second and a blue one for neither.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from models.calibration import PhraseTable
from models.calibration.conflict import PHRASE_TABLE_NAME
from models.manifest import MANIFEST_NAME, System, file_sha256, read_manifest
from tests.bundles import COLOURS, make_bundle, rewrite_manifest
from tests.system_bundles import make_system_bundle

SYSTEMS: tuple[System, ...] = ("pma", "pma_visual", "rams_trans", "s3n")


def make_zoo(store: Path, **reader: Any) -> Path:
    """Write the domain `birds` with a student as its default and one bundle of each other system, and `cars`.

    `reader` are fields of the manifest of the bundle that reads texts.
    """
    make_system_bundle(store, "pma_student", name="birds", domain="birds")
    for system in SYSTEMS:
        fields = reader if system == "pma" else {}
        make_system_bundle(
            store, system, name=f"birds-{system.replace('_', '-')}", domain="birds", default=False, **fields
        )
    make_bundle(store, name="cars", domain="cars")
    return store


def make_router(store: Path, labels: tuple[str, ...] = ("birds", "cars", "neither")) -> Path:
    """Write a router; its labels are what it says of a red, a green and a blue photo."""
    folder = make_bundle(store, name="router", default=True)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["class_id", "label"])
        table.writerows([label, label] for label in labels)
    rewrite_manifest(folder, system="router", task="route", domain=None, levels=[])
    return folder


def add_phrase_table(folder: Path, below: float) -> None:
    """Let a bundle that reads texts hold them against the photo: `red` things are red, `blue` ones blue."""
    traits = tuple(f"crown {colour.lower()}" for colour in COLOURS)
    likely = np.full((len(COLOURS), len(COLOURS)), np.log(0.01))
    np.fill_diagonal(likely, np.log(0.9))
    PhraseTable(traits, likely, np.zeros(len(COLOURS))).write(folder / PHRASE_TABLE_NAME)
    calibration = read_manifest(folder).calibration.model_copy(update={"text_conflict_below": below})
    add_file(folder, PHRASE_TABLE_NAME)
    rewrite_manifest(folder, calibration=calibration.model_dump())


def add_file(folder: Path, name: str) -> None:
    """List a file that was written into a bundle."""
    files = dict.fromkeys((path.name for path in folder.iterdir() if path.name != MANIFEST_NAME), "")
    files[name] = file_sha256(folder / name)
    rewrite_manifest(folder, files={**files})
    rewrite_manifest(folder)
