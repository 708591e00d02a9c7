"""What the manifest's calibration lets an answer say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models import calibration
from models.calibration.unknowns import DIRECTIONS_NAME
from models.manifest import BundleError
from models.sections import Calibration, UncertaintyScore
from service.answers import ClassifyAnswer, ImageSize, Parameters
from service.engine import Engine
from service.engine.backends.ort import OrtBackend
from service.engine.backends.testing import EchoBackend
from service.engine.bundle import load_bundle
from service.engine.tasks.reading import Reading, Scores
from tests.bundles import make_bundle, rewrite_manifest, solid_photo
from tests.service.zoo import add_file

SIZE = ImageSize(1, 1)


def make_reading(folder: Path, **fields: Any) -> Reading:
    return Reading(load_bundle(make_bundle(folder, backend="echo", **fields), lambda _: EchoBackend(), 16))


def read(reading: Reading, *logits: list[float], features: list[float] | None = None, **asked: Any) -> dict[str, Any]:
    seen = None if features is None else np.array([features], np.float32)
    answer = reading.read(Scores(np.array(logits, np.float32), seen), SIZE, Parameters(**asked), None)
    told: dict[str, Any] = msgspec.to_builtins(answer)
    return told


def test_the_set_of_each_level_holds_its_groups(tmp_path: Path) -> None:
    fitted = Calibration(
        conformal={"0.9": 0.4}, conformal_levels={"warmth": {"0.9": 0.3, "0.95": 0.6}, "hue": {"0.9": 0.8}}
    )
    told = read(make_reading(tmp_path, calibration=fitted), [0, 1, 1])
    assert told["set"] == {
        "coverage": 0.9,
        "class_ids": ["001.Green"],
        "levels": {
            "warmth": {"coverage": 0.95, "labels": ["cool"]},
            "hue": {"coverage": 0.9, "labels": ["Green", "Blue"]},
        },
    }


@pytest.mark.parametrize(("certainty", "level"), [(0.5, "hue"), (0.8, "warmth"), (0.95, None)])
def test_the_rollup_holds_at_the_certainty_that_was_asked(tmp_path: Path, certainty: float, level: str | None) -> None:
    reading = make_reading(tmp_path, calibration=Calibration(uncertain_below=0.1))
    assert read(reading, [0, 2, 1], certainty=certainty).get("rollup", {}).get("level") == level


@pytest.mark.parametrize(
    ("score", "below", "known", "unknown", "reason"),
    [
        ("energy", 5.0, [0, 9, 0], [0, 4, 0], "the photo's energy score is 4.036; 5.000 is certain enough"),
        (
            "height",
            3.0,
            [0, 6, 0],
            [5, 8, 5],
            "the best class stands above the mean of all by 2.000; 3.000 is certain enough",
        ),
    ],
)
def test_the_score_is_compared_that_the_manifest_names(
    tmp_path: Path, score: UncertaintyScore, below: float, known: list[float], unknown: list[float], reason: str
) -> None:
    reading = make_reading(tmp_path, calibration=Calibration(score=score, uncertain_below=below))
    assert read(reading, known)["uncertain"] is False
    told = read(reading, unknown)
    assert (told["uncertain"], told["reason"]) == (True, reason)


def make_distance_bundle(store: Path, directions: object = None) -> Path:
    folder = make_bundle(store, calibration=Calibration())
    rows = np.eye(3, dtype=np.float32) if directions is None else directions
    np.save(folder / DIRECTIONS_NAME, np.asarray(rows))
    add_file(folder, DIRECTIONS_NAME)
    rewrite_manifest(folder, calibration={"score": "distance", "uncertain_below": 0.9})
    return folder


def test_features_are_compared_where_the_manifest_says_so(tmp_path: Path) -> None:
    make_distance_bundle(tmp_path)
    red, grey = Engine(tmp_path).classify([solid_photo(), solid_photo((90, 90, 90))])
    assert isinstance(red, ClassifyAnswer)
    assert isinstance(grey, ClassifyAnswer)
    assert red.uncertain is False
    assert grey.reason == "the photo's likeness to the nearest class is 0.577; 0.900 is certain enough"


@pytest.mark.parametrize("directions", [np.eye(4), np.full((3, 3), np.nan), np.eye(3, dtype=np.int64), ["a", "b", "c"]])
def test_directions_that_do_not_fit_the_bundle_are_a_fault(tmp_path: Path, directions: object) -> None:
    folder = make_distance_bundle(tmp_path, directions)
    with pytest.raises(BundleError, match=r"directions.npy holds no finite numbers \[3, 3\]"):
        load_bundle(folder, lambda _: OrtBackend(), 16)


def test_photos_of_one_subject_are_pooled_with_their_own_temperature(tmp_path: Path) -> None:
    reading = make_reading(tmp_path, calibration=Calibration(temperature=2.0, pooled_temperature=3.0))
    told = read(reading, [0, 3, 0], [0, 3, 3])
    expected = calibration.softmax(np.array([0, 3, 1.5]), 3.0)
    assert [p["probability"] for p in told["predictions"]] == pytest.approx(sorted(expected, reverse=True), abs=1e-6)


def test_without_a_fitted_temperature_photos_count_as_their_mean(tmp_path: Path) -> None:
    reading = make_reading(tmp_path, calibration=Calibration(temperature=2.0))
    assert read(reading, [0, 3, 0], [0, 3, 0])["predictions"] == read(reading, [0, 3, 0])["predictions"]


def test_a_subject_of_several_photos_has_a_part_for_each(tmp_path: Path) -> None:
    make_bundle(tmp_path)
    photos = [solid_photo(width=50), solid_photo((200, 0, 50), width=60), solid_photo((0, 0, 255), width=70)]
    several, alone = Engine(tmp_path).classify([photos, photos[:1]], parameters=Parameters(explain=True, top_k=1))
    told = msgspec.to_builtins(several)
    assert told["predictions"][0]["label"] == "Red"
    assert [part["prediction"]["label"] for part in told["photos"]] == ["Red", "Red", "Blue"]
    assert [part["image"]["width"] for part in told["photos"]] == [50, 60, 70]
    assert all("map" in part["explanation"] for part in told["photos"])
    assert told["image"]["width"] == 50
    assert "explanation" not in told
    (plain,) = Engine(tmp_path).classify(photos[:1], parameters=Parameters(explain=True, top_k=1))
    assert msgspec.to_builtins(alone) == msgspec.to_builtins(plain)
