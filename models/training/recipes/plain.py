"""Recipes of the plain classifier: a linear probe on frozen features, then fine-tuning of the whole net.

All numbers that a run depends on stand here with a reason. The probe is a good start for the head in minutes, so that
the first steps of fine-tuning do not damage the pretrained features. Learning rate, schedule and averaging follow what
won on two processor cores; a run takes one to two hours there.
"""

from __future__ import annotations

from models.training.loop import Schedule
from models.training.recipes.base import Recipe
from models.training.views import Augmentation

BIRDS = Recipe(
    backbone="mobilenet_v2",
    size_px=224,  # trained at 192, evaluated larger: objects look alike in size after random crops (Touvron 2019)
    fit="squash",  # a bird's box is rarely square, and a crop of it would lose head or tail
    augmentation=Augmentation(area_min=0.4, aspect=1.4, colour=0.2),
    schedule=Schedule(
        sizes_px=(160, 160, 160, 192, 192, 192, 192, 192, 192, 192, 192, 192),  # cheap epochs first
        batch=32,
        lr=3e-4,  # forgets some of what iNaturalist taught; the blend at the end brings it back
        head_lr_factor=2.0,  # the head comes from the probe and needs less than a fresh one
        weight_decay=0.02,
        warmup_steps=150,
        ema_decay=0.998,
        clip_norm=5.0,
        mixup_share=0.2,  # a little: 27 photos a class are learnt by heart otherwise
        bf16=True,
    ),
    probe=True,
    blend=True,
)
CARS = Recipe(
    backbone="efficientnet_lite0",
    size_px=224,
    fit="squash",
    augmentation=Augmentation(area_min=0.55, aspect=1.33, colour=0.3),  # paint says nothing about the model
    schedule=Schedule(
        sizes_px=(160, 160, 160, 160, 160, 160, 192, 192, 192, 192, 192, 192, 192, 192),
        batch=32,
        lr=7e-4,  # ImageNet features know little of car models: they must move further than the birds'
        head_lr_factor=6.0,
        weight_decay=0.02,
        warmup_steps=150,
        ema_decay=0.998,
        clip_norm=5.0,
        mixup_share=0.0,  # not tried: blends need more epochs than two cores have
        bf16=True,
    ),
    probe=False,
)
OWN = Recipe(
    backbone="efficientnet_lite0",
    size_px=224,
    fit="squash",
    augmentation=Augmentation(area_min=0.5, aspect=1.33, colour=0.2),
    schedule=Schedule(
        sizes_px=(160, 160, 160, 160, 160, 160, 192, 192, 192, 192),
        batch=32,
        lr=5e-4,  # between the two above: how far the classes are from ImageNet's is not known
        head_lr_factor=4.0,
        weight_decay=0.02,
        warmup_steps=150,
        ema_decay=0.998,
        clip_norm=5.0,
        mixup_share=0.2,
        bf16=True,
    ),
    probe=True,  # of a few hundred photos much is won by the head alone
    blend=True,
)
RECIPES = {"birds": BIRDS, "cars": CARS, "own": OWN}
