"""Tiny photo collections and a tiny backbone, made by code: what training and export are tested with.

The photos of a class have its colour under some noise, so that a few steps learn to tell them apart.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from models.backbones import BackboneSpec, Stage
from models.training.loop import Schedule
from models.training.recipes.base import Recipe
from models.training.views import Augmentation

TINY = BackboneSpec("tiny", (Stage(1, 8, 1, 1), Stage(2, 8, 2, 2)), norm_eps=1e-3, mean=127.0, std=64.0)
TINY_PX = 32
COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (210, 50, 40)}

RECIPE = Recipe(
    backbone="tiny",
    size_px=TINY_PX,
    fit="squash",
    augmentation=Augmentation(area_min=0.6, aspect=1.2, colour=0.1),
    schedule=Schedule(
        sizes_px=(32, 32),
        batch=6,
        lr=2e-3,
        head_lr_factor=2.0,
        weight_decay=0.01,
        warmup_steps=2,
        ema_decay=0.7,
        clip_norm=5.0,
        mixup_share=0.5,
        bf16=False,
    ),
    probe=False,
)


def write_photo(path: Path, colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (40, 36)) -> Path:
    """One noisy photo of a colour, (width, height) pixels; lossless where the suffix is that of a lossless format."""
    noise = np.random.default_rng(seed).normal(0, 25, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)
    return path


def write_image_folder(root: Path, per_split: dict[str, int], suffix: str = ".png") -> Path:
    """`root/<split>/<class>/<number>` with so many photos per class and split."""
    seed = 0
    for split, count in per_split.items():
        for name, colour in COLOURS.items():
            for number in range(count):
                seed += 1
                write_photo(root / split / name / f"{split}{number:02d}{suffix}", colour, seed)
    return root
