"""Recipe of the router, which tells birds, cars and neither apart before a domain's model is asked.

It learns from the photos of `models.training.routing`, at low resolution, since it runs before every request that names no
domain. ImageNet's features know the three things already: its own layers learn first, and two short epochs then fit the last
features to subjects that are small in a scene.
"""

from __future__ import annotations

from dataclasses import replace

from models.training.loop import Schedule
from models.training.recipes.base import Recipe
from models.training.views import Augmentation

ROUTER = Recipe(
    backbone="efficientnet_lite0",  # 13 MiB without ImageNet's classifier
    size_px=224,  # a subject of a tenth of the photo is 70 px wide
    fit="squash",
    augmentation=Augmentation(area_min=0.6, aspect=1.33, colour=0.2),  # the subject must stay in the view
    schedule=Schedule(
        sizes_px=(192, 192, 192),
        batch=32,
        lr=1e-4,  # ImageNet's features suit; a large step would learn the edges of pasted subjects
        head_lr_factor=20.0,  # new layers know nothing
        weight_decay=0.02,
        warmup_steps=50,
        ema_decay=0.99,  # three epochs are some 1,200 steps
        clip_norm=5.0,
        mixup_share=0.0,  # three classes overfit little
        bf16=False,  # slower than float32 for this backbone at 160 px
        frozen=(1.0, 0.5, 0.5),
    ),
    system="router",
    probe=False,  # there is no linear layer over the mean
    blend=True,
    smoothing=0.05,
)
#: Goes on from a router that learnt the three epochs above: what is pasted small was still better with each of them.
ROUTER_LONGER = replace(
    ROUTER,
    schedule=replace(ROUTER.schedule, sizes_px=(192,) * 4, frozen=(0.33,) * 4, head_lr_factor=5.0),
)
RECIPES = {"router": ROUTER, "router_longer": ROUTER_LONGER}
