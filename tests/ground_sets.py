"""A tiny collection of photos with boxes, a tiny language, and a recipe for both: what grounding is trained with in tests.

A photo has a red dog and a blue car, or two cars of unlike size, on grey.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from models.training.grounding.course import Request
from models.training.recipes.grounding import GROUND, GroundRecipe, Pretext
from tests.grounding import TEXT
from tests.published_weights import write_pieces

SIZE_PX = 96  # of the square: three coarse cells, for two would look like the batch of an example
WIDTH, HEIGHT = 72, 60
COLOURS = {"dog": (210, 40, 40), "car": (40, 60, 210)}
#: Of the published vocabulary all that the generator can say here, and a letter to put words together from.
PIECES = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "dog",
    "car",
    "the",
    "a",
    "left",
    "right",
    "on",
    "red",
    "blue",
    "##most",
    "of",
)

RECIPE: GroundRecipe = replace(
    GROUND,
    backbone="tiny_stages",
    size_px=SIZE_PX,
    width=8,
    heads=(2, 3),
    text=TEXT,
    mosaics=6,
    bird_pictures=4,
    true_said=4,
    absent_said=2,
    batch=4,
    epochs=2,
    bf16=False,
    pretext=Pretext(epochs=1, batch=4),
)


def write_voc(root: Path, train: int = 10, test: int = 4) -> Path:
    """A folder as `read_voc` reads it."""
    (root / "photos").mkdir(parents=True)
    with (root / "boxes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("photo", "split", "class", "x1", "y1", "x2", "y2", "difficult", "width", "height"))
        for number in range(train + test):
            photo, rng = f"{number:06d}", Random(number)
            pixels = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
            names = ("dog", "car") if number % 2 else ("car", "car")
            for place, name in enumerate(names):
                side = rng.randint(14, 18) + 10 * place
                left, top = 4 + 34 * place, rng.randint(2, HEIGHT - side - 2)
                pixels[top : top + side, left : left + side] = COLOURS[name]
                box = (left, top, left + side, top + side)
                writer.writerow((photo, "train" if number < train else "test", name, *box, 0, WIDTH, HEIGHT))
            Image.fromarray(pixels).save(root / "photos" / f"{photo}.webp", lossless=True)
    return root


def write_language(root: Path) -> Path:
    """A folder with a tiny language under BERT's names."""
    return write_pieces(root, TEXT, PIECES)


def request(root: Path, out: Path, recipe: GroundRecipe = RECIPE) -> Request:
    """A run of the tiny recipe; weights of the backbone are not read from a file (`tests` leave that step out)."""
    return Request(root / "voc", out, recipe, root / "backbone.pth", root / "words", root / "pool")
