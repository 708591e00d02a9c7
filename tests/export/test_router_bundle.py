"""The bundle of a router: it tells domains apart, and its card says how well by the mean over them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from export.bundle import export_bundle
from export.order import Order
from models.bundle import check_bundle
from models.labels import read_labels
from models.manifest import read_manifest
from models.training.loop import STATE_NAME
from models.training.records import read_state
from models.training.runs import read_record
from service.engine.backends.ort import OrtBackend
from service.engine.bundle import load_bundle
from tests.export.conftest import change_run, lively

DOMAINS = {"blue": "birds", "green": "cars", "red": "neither"}


@pytest.fixture
def index(photos: Path, tmp_path: Path) -> Path:
    """Colours in the place of birds, cars and neither; the scenes of `subjects` are test photos of two of them."""
    rows = [["path", "label", "split"]]
    for path in sorted(photos.rglob("*.png")):
        split, colour = path.parts[-3:-1]
        rows.append([str(path), DOMAINS[colour], split])
        if split == "test" and colour != "red":
            rows.append([str(path), DOMAINS[colour], "subjects"])
    with (tmp_path / "index.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path / "index.csv"


def test_a_run_of_the_router_becomes_a_bundle_that_routes(run: Path, index: Path, tmp_path: Path) -> None:
    routing = change_run(run, tmp_path / "run", system="router", recipe="router", class_ids=tuple(DOMAINS.values()))
    state = read_state(routing) | {"averaged": lively(read_record(routing).build).state_dict()}
    torch.save(state, routing / STATE_NAME)
    folder = export_bundle(Order(routing, index, tmp_path / "store", "router", "1.0.0"))
    assert check_bundle(folder) == []
    manifest = read_manifest(folder)
    assert (manifest.system, manifest.task, manifest.domain) == ("router", "route", None)
    assert [label.class_id for label in read_labels(folder / "labels.csv", ())] == ["birds", "cars", "neither"]
    assert manifest.training is not None
    found = manifest.training.metrics
    assert (found["test whole/photos"], found["subjects whole/photos"]) == (9, 6)
    shares = ", ".join(f"{part} whole {100 * found[f'{part} whole/mean_class']:.2f} %" for part in ("test", "subjects"))
    card = (folder / "card.md").read_text(encoding="utf-8")
    for words in ("A router of 3 classes", f"mean per class: {shares}.", "Everingham", "Research use only."):
        assert words in card, words
    assert load_bundle(folder, lambda _: OrtBackend(), 16).manifest == manifest
