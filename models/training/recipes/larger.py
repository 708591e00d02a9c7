"""Recipes for a GPU, longer or at more pixels than two processor cores can afford; one core still answers in time.

Subjects of whole photos are small: a net sees more of them at more pixels, as long as it learns at these too. One that learnt
at 192 px and is read at 256 loses on crops what it wins on whole photos.
"""

from __future__ import annotations

from dataclasses import replace

from models.training.recipes import plain, systems

STUDENT_LARGE = replace(
    systems.STUDENT,
    size_px=288,
    schedule=replace(systems.STUDENT.schedule, sizes_px=(256,) * 12, frozen=(0.33,) * 12),
)
CARS_LARGE = replace(
    plain.CARS,
    size_px=256,
    schedule=replace(
        plain.CARS.schedule,
        sizes_px=(160,) * 6 + (192,) * 6 + (224,) * 12,
        mixup_share=0.2,  # with so many epochs the training photos are learnt by heart otherwise
    ),
)
#: Goes on from a bundle that `CARS_LARGE` made. It gains little: the crops are some 280 x 180 px as stored.
CARS_FINER = replace(
    plain.CARS,
    size_px=320,
    augmentation=replace(plain.CARS.augmentation, area_min=0.45),
    schedule=replace(
        plain.CARS.schedule,
        sizes_px=(256,) * 9,
        lr=4e-4,  # leaves the valley of its start, which knows the training photos by heart
        head_lr_factor=2.0,
        mixup_share=0.3,
    ),
    blend=True,
)
#: A larger backbone, which so few epochs do not make better.
CARS_DEEPER = replace(
    plain.CARS,
    backbone="efficientnet_lite2",
    size_px=256,
    schedule=replace(plain.CARS.schedule, sizes_px=(160,) * 6 + (192,) * 4 + (224,) * 4),
)
RAMS_TRANS_LARGE = replace(
    systems.RAMS_TRANS,
    size_px=224,
    schedule=replace(
        systems.RAMS_TRANS.schedule,
        sizes_px=(224,) * 10,
        batch=32,
        lr=1.5e-4,
        frozen=(0.33,) * 10,  # 8 of 12 blocks learn: what was tuned to find what is salient has to tell birds apart
    ),
)
BASELINE_VIT_LARGE = replace(RAMS_TRANS_LARGE, system="plain", smoothing=0.1)

RECIPES = {
    "cars_large": CARS_LARGE,
    "cars_finer": CARS_FINER,
    "cars_deeper": CARS_DEEPER,
    "pma_student_large": STUDENT_LARGE,
    "rams_trans_large": RAMS_TRANS_LARGE,
    "baseline_vit_large": BASELINE_VIT_LARGE,
}
