"""The photos that are sent: 640 x 480 JPEGs of about 91 kB, 4:2:0, made from the sample photos of the tests.

A usual phone picture scaled for upload has more detail for its size than a small sample has, so seeded noise is added
until the file is as long as wanted; the decoder then has as much to do. Several photos, so that no cache of answers
could help anyone. The same code gives the same files.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

SAMPLES = Path(__file__).parents[3] / "tests" / "samples"
SIZE_PX = (640, 480)
TARGET_BYTES = 91_000
QUALITY = 88
CHROMA_420 = 2  # Pillow's number for 4:2:0
_STEPS = 10

Picture = npt.NDArray[np.float32]


def make_photos(folder: Path, samples: Path = SAMPLES, target_bytes: int = TARGET_BYTES) -> list[Path]:
    """Write one photo per sample into `folder` and return their paths in the samples' order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, sample in enumerate(sorted(samples.glob("*.jpg"))):
        path = folder / sample.name
        path.write_bytes(make_photo(sample, number, target_bytes))
        paths.append(path)
    return paths


def make_photo(sample: Path, seed: int, target_bytes: int = TARGET_BYTES) -> bytes:
    """Scale a sample and add just enough noise to fill `target_bytes`; a sample with more detail loses contrast instead."""
    with Image.open(sample) as image:
        picture = np.asarray(ImageOps.fit(image.convert("RGB"), SIZE_PX, Image.Resampling.BICUBIC), np.float32)
    noise = np.random.default_rng(seed).standard_normal(picture.shape, np.float32)
    low, high = -1.0, 64.0  # below zero: the share of contrast that is taken away; above: the noise's deviation
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if len(_encode(_with_noise(picture, noise, middle))) > target_bytes:
            high = middle
        else:
            low = middle
    return _encode(_with_noise(picture, noise, low))


def _with_noise(picture: Picture, noise: Picture, amount: float) -> Picture:
    if amount < 0.0:
        mean = picture.mean(axis=(0, 1), keepdims=True, dtype=np.float32)
        return np.asarray(mean + (picture - mean) * np.float32(1.0 + amount), np.float32)
    return np.asarray(picture + noise * np.float32(amount), np.float32)


def _encode(picture: Picture) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(
        file, "JPEG", quality=QUALITY, subsampling=CHROMA_420
    )
    return file.getvalue()
