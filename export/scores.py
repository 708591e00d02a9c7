"""What an exported file answers to a part of a data set: its logits, with the true classes beside them.

Owns the way from encoded photos to logits on this machine, by the definition of `models.preprocess` that serving has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from export.runtime import Graph
from models.calibration import Floats, Ints
from models.evaluation.items import Part, labels_of
from models.preprocess import Fit, Pixels, preprocess


@dataclass(frozen=True, slots=True)
class Scores:
    """A part's logits [n, C], labels [n] and photo names [n]."""

    part: Part
    logits: Floats
    labels: Ints

    @property
    def photos(self) -> list[str]:
        """Which photo each row belongs to."""
        return [item.photo for item in self.part.items]


def score(
    graph: Graph, part: Part, class_ids: Sequence[str], size_px: int, fit: Fit, advance: Callable[[], None]
) -> Scores:
    """Run every photo of a part on its own; `advance` is called after each."""
    rows = []
    for item in part.items:
        image, _ = preprocess(item.read(), size_px, fit)
        rows.append(graph(image[None])["logits"][0])
        advance()
    return Scores(part, np.array(rows, np.float64), np.array(labels_of(part.items, class_ids), np.int64))


def joined(scores: Sequence[Scores], name: str) -> Scores:
    """Several parts as one, for fitting on all of them."""
    return Scores(
        Part(name, tuple(item for one in scores for item in one.part.items)),
        np.concatenate([one.logits for one in scores]),
        np.concatenate([one.labels for one in scores]),
    )


def sample_images(size_px: int) -> Pixels:
    """Inputs made by code for a bundle's self-check, uint8 [3, S, S, 3]: a gradient, a board, coarse noise.

    They are no photos, so they may travel with any bundle, and they compress well.
    """
    ramp = np.linspace(0, 255, size_px, dtype=np.uint8)
    gradient = np.stack(
        [np.tile(ramp, (size_px, 1)), np.tile(ramp[:, None], (1, size_px)), np.full((size_px, size_px), 128, np.uint8)],
        axis=2,
    )
    cell = np.indices((size_px, size_px)) // 16
    board = np.repeat(((cell.sum(0) % 2) * 200 + 20).astype(np.uint8)[:, :, None], 3, axis=2)
    coarse = np.random.default_rng(0).integers(0, 256, (-(-size_px // 16), -(-size_px // 16), 3), np.uint8)
    noise = coarse.repeat(16, axis=0).repeat(16, axis=1)[:size_px, :size_px]
    return np.stack([gradient, board, noise])
