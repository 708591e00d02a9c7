"""Recipes of the systems named after papers, and of the plain classifiers that they are compared with.

Reduced runs on one backbone take the same number of optimiser steps at the same sizes, in the same views. Their system is not
all that differs: of the plain classifier and the student two thirds of the backbone learn from the first step, the head at
twice its rate; with PMA and S3N the last third learns after two epochs, new layers at five times its rate. Plain classifiers
and PMA learn from smoothed labels, RAMS-Trans and the head that S3N answers from do not. A difference between two rows of a
comparison holds this, too.

Losses, phases and parameter groups are the papers' but for PMA's smoothing; optimiser, averaging and views are what won on two
processor cores. The full setting has the papers' sizes and optimiser and needs a GPU: the code is the same.
"""

from __future__ import annotations

from dataclasses import replace

from models.training.loop import Schedule
from models.training.losses import Phases
from models.training.recipes.base import Framing, Recipe
from models.training.views import Augmentation

EPOCHS = 9  # in thirds: S3N changes its views after the first
#: Phase A: new layers alone; phase B: the last third of the backbone learns, too.
_FROZEN = (1.0,) * 2 + (0.67,) * (EPOCHS - 2)

_VIEWS = Augmentation(area_min=0.5, aspect=1.33, colour=0.2)
_BASE = Recipe(
    backbone="mobilenet_v2",
    size_px=224,  # trained at 192: objects look alike in size after random crops (Touvron 2019)
    fit="squash",
    augmentation=_VIEWS,
    schedule=Schedule(
        sizes_px=(192,) * EPOCHS,
        batch=32,
        lr=3e-4,  # forgets some of what pretraining taught; the blend at the end brings it back
        head_lr_factor=5.0,  # new layers know nothing
        weight_decay=0.02,
        warmup_steps=150,
        ema_decay=0.998,
        clip_norm=5.0,
        mixup_share=0.0,  # a text cannot be blended, and compared rows are trained alike
        bf16=True,
        frozen=_FROZEN,
    ),
    probe=False,
    blend=True,
    framings={"whole": Framing(1, replace(_VIEWS, approach=1.0))},
)
#: Nothing is new, so nothing waits, and the head comes from the probe.
BASELINE = replace(_BASE, schedule=replace(_BASE.schedule, frozen=(0.33,) * EPOCHS, head_lr_factor=2.0))
STUDENT = replace(BASELINE, system="pma_student")
#: Labels are smoothed by 0.1 as the plain classifier's, which is ours: the paper's loss smooths none, and the full setting does so.
PMA_VISUAL = replace(_BASE, system="pma_visual")
_READING = 30.0  # words start from nothing, and a text alone is learnt at 0.01: 34 % after 1,000 steps, at 0.002 20 %
_WORDS = tuple((part, _READING) for part in ("phrases.", "text_attention.", "relation."))
PMA = replace(
    PMA_VISUAL,
    system="pma",
    blended=("backbone.",),  # averaged with its start, the stream of words knew 25.5 % of validation in place of 33.8
    schedule=replace(
        PMA_VISUAL.schedule,
        rates=(
            ("classifier.", 1.0),
            *_WORDS,
        ),  # what it knows of photos comes from the probe; faster it drifts by a point
    ),
)
#: A second stage: backbone and classifier rest, and what blocks and words add is learnt further.
PMA_READING = replace(
    PMA,
    blend=False,
    schedule=replace(PMA.schedule, frozen=(1.0,) * EPOCHS, rates=(("classifier.", 0.0), *_WORDS)),
)
S3N = replace(
    _BASE,
    system="s3n",
    schedule=replace(
        _BASE.schedule,
        rates=(("beta", 0.01),),  # widths of the attention: at the paper's 1e-4 they never leave their start
        norms_need=16,  # three views of a photo share one batch norm
    ),
)
RAMS_TRANS = replace(
    _BASE,
    system="rams_trans",
    backbone="vit_s14",
    size_px=196,
    probe=True,  # published transformers come without a head; of their features much is won by it alone
    smoothing=0.0,
    schedule=replace(
        _BASE.schedule,
        sizes_px=(196,) * 4,  # positions belong to one size
        batch=16,
        lr=1e-4,
        frozen=(0.67,) * 4,  # of 12 blocks the last 4 learn: what two cores can afford
        clip_norm=1.0,
    ),
)
BASELINE_VIT = replace(RAMS_TRANS, system="plain", smoothing=0.1)

_FULL = Schedule(
    sizes_px=(448,) * 60,
    batch=16,
    lr=1e-3,
    head_lr_factor=10.0,
    weight_decay=1e-4,
    warmup_steps=500,
    ema_decay=0.998,
    clip_norm=5.0,
    mixup_share=0.0,
    bf16=True,
    optimiser="sgd",
)


def _full(recipe: Recipe, schedule: Schedule = _FULL) -> Recipe:
    return replace(recipe, setting="full", size_px=448, schedule=schedule)


RECIPES = {
    "baseline": BASELINE,
    "baseline_vit": BASELINE_VIT,
    "pma_visual": PMA_VISUAL,
    "pma": PMA,
    "pma_reading": PMA_READING,
    "pma_student": STUDENT,
    "s3n": S3N,
    "rams_trans": RAMS_TRANS,
    "baseline_full": _full(BASELINE),
    "pma_visual_full": replace(_full(PMA_VISUAL), smoothing=0.0),
    "pma_full": replace(_full(PMA), smoothing=0.0),
    "pma_student_full": _full(STUDENT),
    "s3n_full": replace(_full(S3N, replace(_FULL, rates=(("beta", 1e-4),))), phases=Phases(all_peaks=21 / 60)),
    "rams_trans_full": _full(
        replace(RAMS_TRANS, backbone="vit_b16"),
        # 10,000 steps on the crops; the head is shared by both scales and as slow as the rest
        replace(_FULL, sizes_px=(448,) * 27, lr=0.03, head_lr_factor=1.0, weight_decay=0.0, clip_norm=1.0),
    ),
}
