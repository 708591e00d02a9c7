"""A bundle's folder: every promise of the manifest that it does not keep is named at once."""

from pathlib import Path

import pytest

from models.bundle import check_bundle
from models.manifest import file_sha256, read_manifest
from models.text import Vocabulary, write_vocabulary
from tests.bundles import make_bundle, rewrite_manifest


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A sound bundle."""
    return make_bundle(tmp_path)


def test_every_fault_of_the_folder_is_named_at_once(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"changed")
    (bundle / "card.md").unlink()
    moved = bundle.rename(bundle.with_name("2.0.0"))
    faults = check_bundle(moved)
    assert any("does not have the sha256" in fault for fault in faults)
    assert "card.md is missing" in faults
    assert any("folder is called 2.0.0" in fault for fault in faults)


def test_a_link_is_not_a_file_of_the_bundle(bundle: Path) -> None:
    outside = bundle.parent / "outside.md"
    (bundle / "card.md").rename(outside)
    (bundle / "card.md").symlink_to(outside)
    assert any("plain file inside" in fault for fault in check_bundle(bundle))


def test_labels_must_agree_with_the_graph(bundle: Path) -> None:
    rewrite_manifest(bundle, outputs=[{"name": "logits", "shape": [7]}])
    assert any("3 classes" in fault for fault in check_bundle(bundle))


def test_a_router_needs_labels_and_no_domain(bundle: Path) -> None:
    rewrite_manifest(bundle, task="route", system="router", domain=None)
    assert check_bundle(bundle) == []
    (bundle / "labels.csv").unlink()
    assert "a route bundle needs labels.csv, listed under 'files'" in check_bundle(bundle)


def give_text(bundle: Path, content: bytes | None = None) -> None:
    """Make it a bundle of the bimodal system, whose vocabulary is `content` or a sound one."""
    path = bundle / "vocabulary.json"
    write_vocabulary(path, Vocabulary(words=("red", "crown"), heads=("crown",)))
    if content is not None:
        path.write_bytes(content)
    files = read_manifest(bundle).files | {path.name: file_sha256(path)}
    rewrite_manifest(bundle, system="pma", text={"phrases": 12, "words": 6}, files=files)


def test_a_vocabulary_that_fits_is_no_fault(bundle: Path) -> None:
    give_text(bundle)
    assert check_bundle(bundle) == []


def test_a_vocabulary_of_other_lengths_is_a_fault(bundle: Path) -> None:
    give_text(bundle)
    rewrite_manifest(bundle, text={"phrases": 12, "words": 8})
    assert check_bundle(bundle) == ["vocabulary.json makes 12 phrases of 6 words; the manifest's 'text' says 12 of 8"]


def test_a_vocabulary_that_is_none_is_a_fault(bundle: Path) -> None:
    give_text(bundle, b"{}")
    faults = check_bundle(bundle)
    assert "vocabulary.json: words: it is missing" in faults
