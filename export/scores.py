"""What an exported file answers to a part of a data set: its logits, with the true classes beside them.

Owns the way from encoded photos to logits on this machine, by the definition of `models.preprocess` that serving has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from export.runtime import Graph
from models.evaluation.figures import Scored
from models.evaluation.items import Part, labels_of
from models.preprocess import Fit, Pixels, preprocess


def score(
    graph: Graph, part: Part, class_ids: Sequence[str], size_px: int, fit: Fit, advance: Callable[[], None]
) -> Scored:
    """Run every photo of a part on its own; `advance` is called after each."""
    rows = []
    for item in part.items:
        image, _ = preprocess(item.read(), size_px, fit)
        rows.append(graph(image[None])["logits"][0])
        advance()
    labels = np.array(labels_of(part.items, class_ids), np.int64)
    return Scored(part, np.array(rows, np.float64).reshape(len(rows), len(class_ids)), labels)


def joined(parts: Sequence[Scored], name: str) -> Scored:
    """Several parts as one, for fitting on all of them."""
    return Scored(
        Part(name, tuple(item for scored in parts for item in scored.part.items)),
        np.concatenate([scored.logits for scored in parts]),
        np.concatenate([scored.labels for scored in parts]),
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
