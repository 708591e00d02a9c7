"""Feature maps of photos, computed once and kept on disk: what is learnt on top of a frozen backbone takes minutes.

Owns the files of maps and the batches drawn from them. A few seeded views of each photo stand for the endless ones of real
training. A file belongs to one backbone, one list of photos and one size; seeds and ablations share it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.preprocess import Fit, Pixels, fit_pixels, preprocess
from models.training.losses import Loss, Moment
from models.training.texts import TextReader
from models.training.views import Batch, Example, PhotoStore, ahead, draws, random_view, to_tensor

VIEWS = 3
_PHOTOS_AT_ONCE = 16
Maps = npt.NDArray[np.float16]


def training_maps(
    backbone: nn.Module, examples: Sequence[Example], store: PhotoStore, size_px: int, folder: Path
) -> Maps:
    """Maps f16 [n, VIEWS, D, h, w] of seeded random views; kept in `folder`, and read from there the next time."""

    def draw(place: int) -> list[Pixels]:
        one = examples[place]
        seed = int.from_bytes(hashlib.sha256(str(one.path.name).encode()).digest()[:8], "big")
        return [
            random_view(store[one.path], size_px, one.bounds, np.random.default_rng((seed, view)), one.subject)
            for view in range(VIEWS)
        ]

    facts = ["training", VIEWS, size_px, [(str(one.path), one.bounds) for one in examples]]
    return _maps(backbone, len(examples), draw, facts, folder)


def evaluation_maps(
    backbone: nn.Module, paths: Sequence[Path], store: PhotoStore, size_px: int, fit: Fit, folder: Path
) -> Maps:
    """Maps f16 [n, 1, D, h, w] of photos as serving would see them, kept likewise."""

    def draw(place: int) -> list[Pixels]:
        return [fit_pixels(store[paths[place]], size_px, fit)]

    facts = ["evaluation", size_px, fit, [str(path) for path in paths]]
    return _maps(backbone, len(paths), draw, facts, folder)


class PhotoMaps:
    """The maps of single photos as serving would see them, f16 and kept by the photo's bytes: what many runs are asked about."""

    def __init__(self, backbone: nn.Module, size_px: int, fit: Fit, folder: Path) -> None:
        self._backbone = backbone.eval()
        self._size_px, self._fit = size_px, fit
        self._folder = folder / f"photos-{_digest(backbone.state_dict(), ['photos', size_px, fit])}"
        self._folder.mkdir(parents=True, exist_ok=True)

    @torch.inference_mode()
    def __call__(self, photo: bytes) -> Tensor:
        """The map of one encoded photo, f32 [1, D, h, w]; raises ImageError."""
        path = self._folder / f"{hashlib.sha256(photo).hexdigest()[:32]}.npy"
        if not path.exists():
            pixels, _ = preprocess(photo, self._size_px, self._fit)
            device = next(self._backbone.parameters()).device
            made = self._backbone(to_tensor([pixels]).to(device)).half().cpu().numpy()
            partial = path.with_suffix(f".{threading.get_ident()}")
            with partial.open("wb") as file:
                np.save(file, made, allow_pickle=False)
            partial.replace(path)
        return torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float32))


def _maps(backbone: nn.Module, count: int, draw: Callable[[int], list[Pixels]], facts: object, folder: Path) -> Maps:
    path = folder / f"maps-{_digest(backbone.state_dict(), facts)}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        _fill(backbone, count, draw, partial)
        partial.replace(path)
    return cast("Maps", np.load(path, mmap_mode="r"))


@torch.inference_mode()
def _fill(backbone: nn.Module, count: int, draw: Callable[[int], list[Pixels]], path: Path) -> None:
    backbone.eval()
    kept: np.memmap[tuple[int, ...], np.dtype[np.float16]] | None = None
    for start in range(0, count, _PHOTOS_AT_ONCE):
        views = [draw(place) for place in range(start, min(count, start + _PHOTOS_AT_ONCE))]
        images = to_tensor([view for photo in views for view in photo])
        maps = backbone(images.contiguous(memory_format=torch.channels_last)).half().contiguous().numpy()
        maps = maps.reshape(len(views), -1, *maps.shape[1:])
        if kept is None:
            kept = np.lib.format.open_memmap(path, "w+", np.float16, (count, *maps.shape[1:]))
        kept[start : start + len(views)] = maps
    if kept is not None:
        kept.flush()


def _digest(state: Mapping[str, Tensor], facts: object) -> str:
    digest = hashlib.sha256(repr(facts).encode())
    for name, weight in state.items():
        digest.update(name.encode() + weight.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def map_batches(
    maps: Maps, examples: Sequence[Example], batch: int, seed: int, reader: TextReader | None
) -> Iterator[Batch]:
    """One epoch of shuffled photos, one of the kept views each; the last incomplete batch is left out."""
    order = np.random.default_rng(seed).permutation(len(examples))

    def prepare(step: int) -> Batch:
        rng, words = draws(seed, step)
        chosen = order[step * batch : (step + 1) * batch]
        images = np.stack([maps[place, rng.integers(VIEWS)] for place in chosen]).astype(np.float32)
        phrases = None if reader is None else reader.bent([examples[place].photo for place in chosen], words)
        labels = torch.tensor([examples[place].label for place in chosen])
        return Batch(torch.from_numpy(images), labels, phrases)

    return ahead(prepare, len(order) // batch)


def above_backbone(loss: Loss) -> Loss:
    """The same loss on batches of maps."""

    def on_maps(model: nn.Module, batch: Batch, moment: Moment) -> Tensor:
        with passed_over(model):
            return loss(model, batch, moment)

    return on_maps


@contextmanager
def passed_over(model: nn.Module) -> Iterator[None]:
    """Let the model take its input for what its backbone would give."""
    backbone = model.backbone
    model.backbone = nn.Identity()
    try:
        yield
    finally:
        model.backbone = backbone
