"""What a file, or another model, answers to a part of a data set: its logits, with the true classes beside them.

Owns the way from encoded photos and their texts to logits on this machine, by the definitions of `models.preprocess` and
`models.text` that serving has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from export.runtime import Ask, Inputs
from models.evaluation.figures import Scored
from models.evaluation.items import Item, Part, labels_of
from models.preprocess import Fit, Pixels, preprocess
from models.progress import progress_bar
from models.text import Vocabulary


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a model's photos and texts become its inputs; `vocabulary` is there where it reads a text."""

    size_px: int
    fit: Fit
    vocabulary: Vocabulary | None = None

    def inputs(self, items: Sequence[Item]) -> Inputs:
        """The inputs of some photos, each with the text that comes with it."""
        images = np.stack([preprocess(item.read(), self.size_px, self.fit)[0] for item in items])
        if self.vocabulary is None:
            return Inputs(images)
        known = [self.vocabulary.known_phrases(item.text or "") for item in items]
        return Inputs(images, np.stack([self.vocabulary.encode(phrases) for phrases in known]))


def score(
    ask: Ask, part: Part, class_ids: Sequence[str], preparation: Preparation, advance: Callable[[], None]
) -> Scored:
    """Run every photo of a part on its own; `advance` is called after each."""
    rows = []
    for item in part.items:
        rows.append(ask(preparation.inputs([item]))["logits"][0])
        advance()
    labels = np.array(labels_of(part.items, class_ids), np.int64)
    return Scored(part, np.array(rows, np.float64).reshape(len(rows), len(class_ids)), labels)


def score_parts(ask: Ask, parts: Sequence[Part], class_ids: Sequence[str], preparation: Preparation) -> list[Scored]:
    """Each part as `score` has it, with a bar that shows how far it is."""
    with progress_bar() as bar:
        task = bar.add_task("measuring", total=sum(len(part.items) for part in parts))
        return [score(ask, part, class_ids, preparation, lambda: bar.advance(task)) for part in parts]


def sample_inputs(size_px: int, vocabulary: Vocabulary | None) -> Inputs:
    """Inputs made by code for a bundle's self-check: three images, with a long, a short and no text where it is read."""
    images = sample_images(size_px)
    if vocabulary is None:
        return Inputs(images)
    described = [f"{word} {head}" for word, head in zip(vocabulary.words, vocabulary.heads, strict=False)]
    texts = (described, described[:1], described[:0])
    return Inputs(images, np.stack([vocabulary.encode(phrases) for phrases in texts]))


def sample_images(size_px: int) -> Pixels:
    """Inputs made by code for a bundle's self-check, uint8 [3, S, S, 3]: a gradient, a board in a shade, coarse noise.

    They are no photos, so they may travel with any bundle, and they compress well. None repeats itself: which of two
    equal cells is the strongest would differ between processors.
    """
    ramp = np.linspace(0, 255, size_px, dtype=np.uint8)
    gradient = np.stack(
        [np.tile(ramp, (size_px, 1)), np.tile(ramp[:, None], (1, size_px)), np.full((size_px, size_px), 128, np.uint8)],
        axis=2,
    )
    cell = np.indices((size_px, size_px)) // 16
    shade = np.add.outer(2 * np.arange(size_px), np.arange(size_px)) / (3 * size_px)
    board = np.repeat(((cell.sum(0) % 2) * 200 * shade + 20).astype(np.uint8)[:, :, None], 3, axis=2)
    coarse = np.random.default_rng(0).integers(0, 256, (-(-size_px // 16), -(-size_px // 16), 3), np.uint8)
    noise = coarse.repeat(16, axis=0).repeat(16, axis=1)[:size_px, :size_px]
    return np.stack([gradient, board, noise])
