"""The fakes do what their manifests say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.manifest import Backend as BackendName
from models.manifest import Manifest, read_manifest
from models.sections import Fake
from service.engine.backends.base import Backend
from service.engine.backends.testing import FAKES, CrashBackend, EchoBackend, NanBackend, SlowBackend, WedgeBackend
from tests.bundles import make_bundle


def manifest(folder: Path, backend: BackendName = "echo", fake: Fake | None = None) -> Manifest:
    return read_manifest(make_bundle(folder, backend=backend, fake=fake, classes=4))


def images(*brightness: int) -> np.ndarray:
    return np.stack([np.full((32, 32, 3), value, np.uint8) for value in brightness])


def test_brightness_chooses_the_class(tmp_path: Path) -> None:
    session = EchoBackend().load(tmp_path, manifest(tmp_path), "main")
    found = session.run({"image": images(0, 63, 65, 130, 255)}, ["logits", "activation"])
    assert found["logits"].argmax(1).tolist() == [0, 0, 1, 2, 3]
    assert found["logits"].dtype == np.float32
    assert found["activation"].shape == (5, 4, 4)


def test_slowness_is_base_and_item(tmp_path: Path) -> None:
    slept: list[float] = []
    session = SlowBackend(slept.append).load(tmp_path, manifest(tmp_path, "slow", Fake(base_ms=5, item_ms=2)), "main")
    session.run({"image": images(1, 2, 3)}, ["logits"])
    assert slept == [pytest.approx(0.011)]


@pytest.mark.parametrize("kind", [CrashBackend, WedgeBackend])
@pytest.mark.parametrize(("trigger", "expected"), [(100.0, 1), (None, 2)])
def test_crash_and_wedge_strike_where_the_photo_triggers_them(
    tmp_path: Path, kind: type, trigger: float | None, expected: int
) -> None:
    struck: list[bool] = []
    backend: Backend = kind(lambda: struck.append(True))
    session = backend.load(tmp_path, manifest(tmp_path, backend.name, Fake(trigger_above=trigger)), "main")  # type: ignore[arg-type]
    session.run({"image": images(0, 100)}, ["logits"])
    session.run({"image": images(0, 101)}, ["logits"])
    assert len(struck) == expected


def test_nan_strikes_one_photo_of_a_batch(tmp_path: Path) -> None:
    session = NanBackend().load(tmp_path, manifest(tmp_path, "nan", Fake(trigger_above=100)), "main")
    found = session.run({"image": images(10, 200, 20)}, ["logits"])["logits"]
    assert np.isnan(found).all(1).tolist() == [False, True, False]


def test_every_fake_of_the_manifest_exists() -> None:
    assert {name: backend().name for name, backend in FAKES.items()} == {name: name for name in FAKES}
    assert set(FAKES) | {"onnx"} == set(BackendName.__args__)  # type: ignore[attr-defined]
