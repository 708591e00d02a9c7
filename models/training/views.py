"""What a model sees of the photos in training: decoded once, augmented anew each time, one batch ahead.

Owns the in-memory store of decoded photos, the random views and the thread that prepares batches. Decoding and the
evaluation view are those of `models.preprocess`, so training sees what serving will see.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import cv2
import numpy as np
import torch
from torch import Tensor

from models.preprocess import Fit, ImageError, Pixels, decode, fit_pixels
from models.training.data import Box, DataError
from models.training.texts import TextReader

MEMORY_LIMIT_BYTES = 6 * 2**30
_BATCHES_AHEAD = 3
_THREADS_MOST = 4  # more would wait for the interpreter


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Bounds of the random views.

    `area_min` is the smallest share of the photo's area that is kept, `aspect` the largest change of its shape as a
    factor, `colour` the largest relative change of brightness, contrast and saturation. `approach` is how far a view
    of a photo with a known subject may first go towards it: 0 not at all, 1 as far as its box.
    """

    area_min: float = 0.5
    aspect: float = 1.33
    colour: float = 0.2
    approach: float = 0.0


@dataclass(frozen=True, slots=True)
class Example:
    """A stored photo to learn from: its class's output index, the bounds of its views, and its subject if known.

    `photo` is what all stored views of one photo have in common: their text is found by it.
    """

    path: Path
    label: int
    bounds: Augmentation
    subject: Box | None = None
    photo: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from.

    `images` are uint8 [B, 3, S, S], floats once they are on the device, or the backbone's maps of them f32 [B, D, h, w]
    where the backbone is passed over. `labels` are int64 [B]; `phrases` int64 [B, P, T] where a text is read. Where photos
    were blended, photo i is
    `weight` of itself and the rest of photo B - 1 - i.
    """

    images: Tensor
    labels: Tensor
    phrases: Tensor | None = None
    weight: float = 1.0

    def to(self, device: torch.device) -> Batch:
        """The same on a device, images as f32 with channels last."""
        images = self.images.to(device).float().contiguous(memory_format=torch.channels_last)
        phrases = None if self.phrases is None else self.phrases.to(device)
        return replace(self, images=images, labels=self.labels.to(device), phrases=phrases)


class PhotoStore:
    """Decoded photos by path, held in memory up to `MEMORY_LIMIT_BYTES` and decoded again beyond.

    Threads that ask for the same one at once may both decode it. Asking for one raises DataError where it cannot be decoded.
    """

    def __init__(self, need_px: int) -> None:
        self._need_px = need_px
        self._held: dict[Path, Pixels] = {}
        self._bytes = 0

    def __getitem__(self, path: Path) -> Pixels:
        pixels = self._held.get(path)
        if pixels is None:
            try:
                pixels = decode(path.read_bytes(), self._need_px).pixels
            except ImageError as error:
                raise DataError(f"{path}: {error}") from error
            if self._bytes + pixels.nbytes <= MEMORY_LIMIT_BYTES:
                self._held[path] = pixels
                self._bytes += pixels.nbytes
        return pixels


def random_view(
    pixels: Pixels, size_px: int, bounds: Augmentation, rng: np.random.Generator, subject: Box | None = None
) -> Pixels:
    """A random part of the photo, perhaps mirrored and re-coloured: uint8 [size_px, size_px, 3].

    Where the subject is known and may be approached, the part is taken from between photo and subject: a small part of
    a whole photo would often miss it.
    """
    if subject is not None and bounds.approach > 0:
        pixels = _approach(pixels, subject, rng.uniform(0.0, bounds.approach))
    rows, columns = pixels.shape[:2]
    area = rng.uniform(bounds.area_min, 1.0)
    shape = np.exp(rng.uniform(-np.log(bounds.aspect), np.log(bounds.aspect)) / 2)
    height = max(2, round(rows * min(1.0, np.sqrt(area) * shape)))
    width = max(2, round(columns * min(1.0, np.sqrt(area) / shape)))
    top = int(rng.integers(0, rows - height + 1))
    left = int(rng.integers(0, columns - width + 1))
    view = fit_pixels(pixels[top : top + height, left : left + width], size_px, "squash")
    if rng.random() < 0.5:
        view = np.ascontiguousarray(view[:, ::-1])
    return _recolour(view, bounds.colour, rng)


def _approach(pixels: Pixels, subject: Box, share: float) -> Pixels:
    """The photo with all four edges moved that share of their way to the subject's box."""
    rows, columns = pixels.shape[:2]
    left, top, right, bottom = subject
    first_row, first_column = int(share * top * rows), int(share * left * columns)
    last_row = rows - int(share * (1 - bottom) * rows)
    last_column = columns - int(share * (1 - right) * columns)
    return pixels[first_row:last_row, first_column:last_column]


def _recolour(view: Pixels, most: float, rng: np.random.Generator) -> Pixels:
    """Brightness, contrast and saturation as one affine map of the three channels."""
    if most <= 0:
        return view
    brightness, contrast, saturation = rng.uniform(1 - most, 1 + most, 3)
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    mix = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * np.tile(luma, (3, 1))
    gain = np.float32(brightness * contrast)
    offset = np.float32(brightness * (1 - contrast)) * np.float32(view.mean())
    matrix = np.concatenate([gain * mix, np.full((3, 1), offset, np.float32)], axis=1)
    return np.asarray(cv2.transform(view, matrix), np.uint8)


def stacked(views: Sequence[Pixels]) -> Tensor:
    """Views of one size as uint8 [B, 3, S, S], channels last in memory."""
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)


def to_tensor(views: Sequence[Pixels]) -> Tensor:
    """Views of one size as f32 [B, 3, S, S] in 0..255, channels last in memory."""
    return stacked(views).float()


def training_batches(
    store: PhotoStore,
    examples: Sequence[Example],
    batch: int,
    size_px: int,
    seed: int,
    reader: TextReader | None = None,
) -> Iterator[Batch]:
    """One epoch of shuffled random views, and of texts where a reader is given; the last incomplete batch is left out.

    The same seed gives the same epoch.
    """
    order = np.random.default_rng(seed).permutation(len(examples))

    def prepare(step: int) -> Batch:
        rng, words = draws(seed, step)
        chosen = [examples[i] for i in order[step * batch : (step + 1) * batch]]
        views = [random_view(store[one.path], size_px, one.bounds, rng, one.subject) for one in chosen]
        phrases = None if reader is None else reader.bent([one.photo for one in chosen], words)
        return Batch(stacked(views), torch.tensor([one.label for one in chosen]), phrases)

    return ahead(prepare, len(order) // batch)


def draws(seed: int, step: int) -> tuple[np.random.Generator, Random]:
    """The random numbers of one step's views and words: the same whichever thread prepares it, and when."""
    return np.random.default_rng((seed, step)), Random(f"{seed} {step}")


def ahead(prepare: Callable[[int], Batch], steps: int) -> Iterator[Batch]:
    """The batches of steps 0, 1, ... in order, each prepared by a thread while earlier ones are used.

    Beside a GPU several threads prepare; where the processor takes the steps itself, one does.
    """
    threads = min(_THREADS_MOST, os.cpu_count() or 1) if torch.cuda.is_available() else 1
    lead = _BATCHES_AHEAD + threads - 1
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="views")
    try:
        queue = deque(pool.submit(prepare, step) for step in range(min(lead, steps)))
        for step in range(steps):
            ready = queue.popleft().result()
            if step + lead < steps:
                queue.append(pool.submit(prepare, step + lead))
            yield ready
    finally:
        pool.shutdown(cancel_futures=True)


def evaluation_batches(
    store: PhotoStore, paths: Sequence[Path], size_px: int, fit: Fit, batch: int = 32
) -> Iterator[Tensor]:
    """The photos in order, as serving would see them: f32 [<= batch, 3, size_px, size_px]."""
    for start in range(0, len(paths), batch):
        yield to_tensor([fit_pixels(store[path], size_px, fit) for path in paths[start : start + batch]])
