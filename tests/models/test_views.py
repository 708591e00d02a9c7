"""Random views, and the batches that a thread prepares ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.preprocess import preprocess
from models.training import views
from models.training.data import DataError
from models.training.views import (
    Augmentation,
    Batch,
    Example,
    PhotoStore,
    evaluation_batches,
    random_view,
    training_batches,
)
from tests.photosets import write_photo

pytestmark = pytest.mark.usefixtures("one_thread")

STILL = Augmentation(area_min=1.0, aspect=1.0, colour=0.0)
LIVELY = Augmentation(area_min=0.3, aspect=1.5, colour=0.3)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    return [write_photo(folder / f"{seed}.png", (seed * 20, 100, 150), seed) for seed in range(7)]


def batches_of(paths: list[Path], seed: int, batch: int = 3) -> Iterator[Batch]:
    examples = [Example(path, label, LIVELY) for label, path in enumerate(paths)]
    return training_batches(PhotoStore(24), examples, batch, 24, seed)


def test_a_view_without_augmentation_is_the_photo_or_its_mirror() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    rng = np.random.default_rng(1)
    seen = {random_view(pixels, 24, STILL, rng).tobytes() for _ in range(20)}
    assert seen == {pixels.tobytes(), np.ascontiguousarray(pixels[:, ::-1]).tobytes()}


def test_a_view_between_photo_and_subject_shows_the_subject_whole() -> None:
    pixels = np.zeros((50, 80, 3), np.uint8)
    pixels[10:20, 60:76] = 255
    bounds = Augmentation(area_min=1.0, aspect=1.0, colour=0.0, approach=1.0)
    rng = np.random.default_rng(3)
    views = [random_view(pixels, 64, bounds, rng, (60 / 80, 10 / 50, 76 / 80, 20 / 50)) for _ in range(200)]
    shares = [float(view.mean()) / 255 for view in views]
    assert min(shares) == pytest.approx(0.04, abs=0.01)
    assert max(shares) > 0.6
    assert all((view > 200).any() for view in views)


def test_an_unknown_subject_is_not_approached() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    views = [random_view(pixels, 24, replace(LIVELY, approach=far), np.random.default_rng(1)) for far in (0.0, 1.0)]
    assert np.array_equal(*views)


def test_views_keep_within_the_bounds_of_colour() -> None:
    pixels = np.full((24, 24, 3), 100, np.uint8)
    bounds = Augmentation(area_min=1.0, aspect=1.0, colour=0.2)
    rng = np.random.default_rng(2)
    means = [float(random_view(pixels, 24, bounds, rng).mean()) for _ in range(200)]
    assert 79 <= min(means) < 90
    assert 110 < max(means) <= 121


def test_the_same_seed_gives_the_same_epoch_and_another_another(paths: list[Path]) -> None:
    first, again, other = (list(batches_of(paths, seed)) for seed in (5, 5, 6))
    assert all(torch.equal(a.images, b.images) for a, b in zip(first, again, strict=True))
    assert all(torch.equal(a.labels, b.labels) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a.images, b.images) for a, b in zip(first, other, strict=True))


def test_an_epoch_shows_each_photo_once_and_leaves_an_incomplete_batch_out(paths: list[Path]) -> None:
    labels = [label for batch in batches_of(paths, 1) for label in batch.labels.tolist()]
    assert len(labels) == len(set(labels)) == 6


def test_images_are_channels_first_in_0_to_255(paths: list[Path]) -> None:
    batch = next(batches_of(paths, 1))
    assert batch.images.shape == (3, 3, 24, 24)
    assert batch.images.dtype == torch.uint8
    assert batch.to(torch.device("cpu")).images.dtype == torch.float32
    assert 1 < batch.images.max() <= 255
    assert batch.labels.dtype == torch.int64
    assert batch.phrases is None


def test_a_photo_that_cannot_be_decoded_stops_the_epoch_with_its_reason(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no photo")
    with pytest.raises(DataError, match=r"broken\.png: not an image"):
        list(batches_of([*paths[:2], tmp_path / "broken.png"], 1))


def test_leaving_an_epoch_early_ends_its_thread(paths: list[Path]) -> None:
    epoch = batches_of(paths, 1, batch=1)
    next(epoch)
    assert any(thread.name.startswith("views") for thread in threading.enumerate())
    epoch.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("views") for thread in threading.enumerate())


def test_evaluation_sees_what_serving_sees(paths: list[Path]) -> None:
    (batch,) = evaluation_batches(PhotoStore(24), paths[:2], 24, "letterbox")
    for row, path in enumerate(paths[:2]):
        served, _ = preprocess(path.read_bytes(), 24, "letterbox")
        assert torch.equal(batch[row], torch.from_numpy(served).permute(2, 0, 1).float())


def test_the_store_keeps_no_more_than_its_limit(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "MEMORY_LIMIT_BYTES", 40 * 36 * 3 * 2)
    store = PhotoStore(36)
    first = store[paths[0]]
    assert store[paths[0]] is first
    assert all(store[path] is not None for path in paths)
    assert store[paths[6]] is not store[paths[6]]
