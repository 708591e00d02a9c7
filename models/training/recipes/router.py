"""Recipe of the router, which tells birds, cars and neither apart before a domain's model is asked.

It is a plain classifier of three classes on the photos of `models.training.routing`: small and at low resolution, since it
runs before every request that names no domain. ImageNet's features know the three things already, so a probe does most
of it and two short epochs fit the features to subjects that are small in a scene.
"""

from __future__ import annotations

from models.training.loop import Schedule
from models.training.recipes.base import Recipe
from models.training.views import Augmentation

ROUTER = Recipe(
    backbone="efficientnet_lite0",  # 13 MiB without ImageNet's classifier
    size_px=160,  # a third of the time of 224 px; a subject of a tenth of the photo is still 50 px wide
    fit="squash",
    augmentation=Augmentation(area_min=0.6, aspect=1.33, colour=0.2),  # the subject must stay in the view
    schedule=Schedule(
        sizes_px=(160, 160),
        batch=32,
        lr=1e-4,  # near what the probe found; a large step would learn the edges of pasted subjects
        head_lr_factor=4.0,
        weight_decay=0.02,
        warmup_steps=50,
        ema_decay=0.99,  # two epochs are a few hundred steps
        clip_norm=5.0,
        mixup_share=0.0,  # three classes overfit little
        bf16=False,  # slower than float32 for this backbone at this size
    ),
    probe=True,
    blend=True,
    smoothing=0.05,
)
RECIPES = {"router": ROUTER}
