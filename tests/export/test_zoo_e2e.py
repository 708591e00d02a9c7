"""The shipped bundles: whole, small, and their graphs keep every rule."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from export.operators import check_graph
from export.variants import size_limit_bytes
from models.bundle import check_bundle
from models.manifest import MANIFEST_NAME, read_manifest
from service.stores import ZOO

BUNDLES = sorted(path.parent for path in ZOO.glob(f"*/*/{MANIFEST_NAME}"))


@pytest.fixture(params=BUNDLES, ids=lambda folder: f"{folder.parent.name}@{folder.name}")
def shipped(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


def test_a_shipped_bundle_has_no_fault(shipped: Path) -> None:
    assert check_bundle(shipped) == []


def test_a_shipped_bundle_is_small(shipped: Path) -> None:
    limit = size_limit_bytes(read_manifest(shipped).system)
    assert sum(path.stat().st_size for path in shipped.iterdir()) <= limit


def test_a_shipped_graph_keeps_every_rule(shipped: Path) -> None:
    for file in read_manifest(shipped).graphs.values():
        assert check_graph(onnx.load(shipped / file)) == []


def test_the_figures_of_a_shipped_bundle_are_those_that_the_readme_shows(shipped: Path) -> None:
    if read_manifest(shipped).system == "detector":
        pytest.skip("a published detector was not measured by itself")
    readme = (ZOO.parent / "README.md").read_text(encoding="utf-8")
    figures = (shipped / "card.md").read_text(encoding="utf-8").partition("## Figures")[2].partition("\n## ")[0]
    table = [line for line in figures.splitlines() if line.startswith("|")]
    rows = [row for row in table[2:] if not row.startswith("| validation")]
    assert rows
    assert [row for row in rows if row not in readme] == []
