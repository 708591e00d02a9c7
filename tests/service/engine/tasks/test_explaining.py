"""What each system looked at, as it stands in an answer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from models.manifest import System, read_manifest
from models.sections import ImageInput
from service.answers import ClassifyAnswer, Parameters
from service.engine import Engine
from service.engine.tasks.explaining import PARTS, Explaining
from service.engine.tasks.photos import frame_of
from tests.bundles import make_bundle, solid_photo
from tests.system_bundles import make_system_bundle

EXPLAINED = Parameters(explain=True)


def explanation(store: Path, photo: bytes, text: str | None = None) -> Any:
    (answer,) = Engine(store).classify([photo], parameters=msgspec.structs.replace(EXPLAINED, text=text))
    assert isinstance(answer, ClassifyAnswer), answer
    return msgspec.to_builtins(answer)["explanation"]


def quartered(*greys: int, width: int = 200, height: int = 100) -> bytes:
    """A photo of four quarters of one grey each, row by row."""
    small = Image.fromarray(np.array(greys, np.uint8).reshape(2, 2))
    buffer = io.BytesIO()
    small.resize((width, height), Image.Resampling.NEAREST).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def test_pma_shows_its_stages_in_order_with_their_weights(tmp_path: Path) -> None:
    make_system_bundle(tmp_path, "pma_visual")
    shown = explanation(tmp_path, quartered(0, 255, 200, 100))
    assert shown["system"] == "pma_visual"
    assert [(region["kind"], region["stage"]) for region in shown["regions"]] == [
        ("stage", 1),
        ("stage", 2),
        ("stage", 3),
    ]
    assert [region["box"] for region in shown["regions"]] == [
        {"x": 100.0, "y": 0.0, "width": 100.0, "height": 50.0},
        {"x": 0.0, "y": 50.0, "width": 100.0, "height": 50.0},
        {"x": 100.0, "y": 50.0, "width": 100.0, "height": 50.0},
    ]
    weights = [region["weight"] for region in shown["regions"]]
    assert weights == sorted(weights, reverse=True)
    assert "map" not in shown
    assert "phrases" not in shown["regions"][0]


def test_pma_shows_which_phrases_it_tied_to_a_region(tmp_path: Path) -> None:
    make_system_bundle(tmp_path, "pma")
    shown = explanation(tmp_path, solid_photo(), "A bird with a bright red crown, a pale tail and a blue wing.")
    assert [region["phrases"] for region in shown["regions"]] == [
        [{"text": "bright red crown", "weight": 0.6}, {"text": "blue wing", "weight": 0.4}]
    ] * 3


def test_rams_trans_shows_the_region_that_it_enlarges(tmp_path: Path) -> None:
    make_system_bundle(tmp_path, "rams_trans")
    shown = explanation(tmp_path, solid_photo(width=80, height=40))
    assert shown["regions"] == [{"kind": "zoom", "box": {"x": 0.0, "y": 0.0, "width": 40.0, "height": 20.0}}]


def test_s3n_shows_its_strongest_and_weakest_evidence_and_its_attention(tmp_path: Path) -> None:
    make_system_bundle(tmp_path, "s3n")
    shown = explanation(tmp_path, solid_photo((255, 255, 255), width=300, height=300))
    strong, weak = shown["regions"]
    assert (strong["kind"], weak["kind"]) == ("discriminative", "complementary")
    assert (strong["weight"], weak["weight"]) == (1.0, 0.5)
    for region, middle in ((strong, 75), (weak, 225)):
        box = region["box"]
        assert box["x"] + box["width"] / 2 == pytest.approx(middle, abs=6)
        assert box["y"] + box["height"] / 2 == pytest.approx(middle, abs=6)
        assert 40 < box["width"] < 110
    assert (shown["map"]["rows"], shown["map"]["columns"]) == (31, 31)
    assert max(shown["map"]["values"]) == 1.0


@pytest.mark.parametrize("system", ["plain", "pma_student"])
def test_a_plain_model_and_a_student_show_a_map(tmp_path: Path, system: System) -> None:
    make_system_bundle(tmp_path, system)
    shown = explanation(tmp_path, quartered(0, 255, 51, 102, width=64, height=64))
    assert shown == {
        "system": system,
        "map": {"rows": 2, "columns": 2, "values": [0.0, 1.0, 0.2, 0.4]},
    }


def test_a_map_of_a_part_of_the_photo_says_of_which(tmp_path: Path) -> None:
    make_bundle(tmp_path, image=ImageInput(size_px=32, fit="crop"))
    shown = explanation(tmp_path, solid_photo(width=80, height=40))
    assert shown["map"]["box"] == {"x": 20.0, "y": 0.0, "width": 40.0, "height": 40.0}


@pytest.mark.parametrize("faithful", [True, False])
def test_whether_it_is_faithful_is_what_the_manifest_says(tmp_path: Path, faithful: bool) -> None:
    make_system_bundle(tmp_path, "rams_trans", explanation={"faithful": faithful})
    assert explanation(tmp_path, solid_photo())["faithful"] is faithful


def test_a_peak_that_is_none_is_not_shown(tmp_path: Path) -> None:
    manifest = read_manifest(make_system_bundle(tmp_path, "s3n"))
    frame = frame_of(100, 100, manifest.image)
    peaks = np.array([[0.5, 0.5, 1, 1], [0, 0, 0, 0]], np.float32)
    attention = np.full((2, 31, 31), 0.09, np.float32)
    attention[0, 15, 15] = 1
    shown = Explaining(manifest).explain({"peaks": peaks, "attention": attention}, frame, ())
    assert [region.kind for region in shown.regions or ()] == ["discriminative"]


def test_every_output_that_explains_belongs_to_a_system(tmp_path: Path) -> None:
    found = set()
    for system in ("plain", "pma", "s3n", "rams_trans"):
        make_system_bundle(tmp_path, system, domain=system)
    for entry in Engine(tmp_path).catalog.models:
        found |= set(entry.explains)
    assert found == set(PARTS)
