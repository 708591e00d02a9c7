"""Recipes for a GPU at more pixels than two processor cores can afford, and still answered by one of them in time.

Subjects of whole photos are small: a net sees more of them at more pixels, as long as it learns at these too. One that learnt
at 192 px and is read at 256 loses on crops what it wins on whole photos.
"""

from __future__ import annotations

from dataclasses import replace

from models.training.loop import Schedule
from models.training.recipes import plain, systems
from models.training.recipes.base import Recipe

SIZE_PX = 288
_EPOCHS = 12
#: The new layers first; then all but the backbone's first third, of which edges and colours are known.
_FROZEN = (1.0,) * 2 + (0.33,) * (_EPOCHS - 2)


def _larger(recipe: Recipe, **changes: object) -> Recipe:
    schedule: Schedule = replace(recipe.schedule, sizes_px=(256,) * _EPOCHS, frozen=_FROZEN)
    return replace(recipe, size_px=SIZE_PX, schedule=replace(schedule, **changes))  # type: ignore[arg-type]


BIRDS_LARGE = _larger(plain.BIRDS, sizes_px=(192,) * 3 + (256,) * 9, frozen=())
PMA_LARGE = _larger(systems.PMA)
PMA_READING_LARGE = _larger(systems.PMA_READING, frozen=(1.0,) * _EPOCHS)
STUDENT_LARGE = _larger(systems.STUDENT, frozen=(0.33,) * _EPOCHS)
CARS_LARGE = replace(
    plain.CARS,
    size_px=256,
    schedule=replace(
        plain.CARS.schedule,
        sizes_px=(160,) * 6 + (192,) * 6 + (224,) * 12,
        mixup_share=0.2,  # with so many epochs the training photos are learnt by heart otherwise
    ),
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
    "birds_large": BIRDS_LARGE,
    "cars_large": CARS_LARGE,
    "pma_large": PMA_LARGE,
    "pma_reading_large": PMA_READING_LARGE,
    "pma_student_large": STUDENT_LARGE,
    "rams_trans_large": RAMS_TRANS_LARGE,
    "baseline_vit_large": BASELINE_VIT_LARGE,
}
